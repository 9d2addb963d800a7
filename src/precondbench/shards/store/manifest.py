"""data_manifest.json: which data exists, what its digests are, and where it can be had."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    model_validator,
)

from precondbench._internal import did_you_mean, read_model, replacing
from precondbench.errors import ConfigurationError, ManifestError

Value = TypeVar("Value")

_HINT = "compare with manifest_json_schema(), or upgrade precondbench if a later one wrote it"

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]*"

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
# A name becomes a folder or file of the cache.
Name = Annotated[str, StringConstraints(pattern=f"^{_PART}$")]
# Parts start with a letter or digit, so that no path leaves the cache: no "..", no root, no drive.
RelativePath = Annotated[str, StringConstraints(pattern=f"^{_PART}(/{_PART})*$")]
Text = Annotated[str, StringConstraints(min_length=1)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ShardFile(_Entry):
    """One published file; its path always stands for these bytes."""

    path: RelativePath = Field(description="Below a mirror.")
    bytes: int = Field(gt=0, description="Size of the file.")
    sha256: Sha256 = Field(description="Of the file's bytes: checks the transport.")


class SplitEntry(_Entry):
    """One split: its identity, and its files if they are published."""

    records: int = Field(gt=0)
    content_digest: Sha256 = Field(description="Split digest of docs/format.md: the identity.")
    facts_digest: Sha256 | None = Field(
        default=None, description="Of whole-number and text facts, see docs/format.md."
    )
    shards: list[ShardFile] = Field(
        default=[], description="In the order of the records; empty: built where it is used."
    )


class ConfigurationEntry(_Entry):
    """One way of making the dataset."""

    recipe: dict[str, JsonValue]
    splits: dict[Name, SplitEntry]


class VersionEntry(_Entry):
    """One version of a dataset; a published one never changes."""

    reproducible: Literal["bitwise", "tolerance"]
    licence: Text
    description: Text
    configurations: dict[Name, ConfigurationEntry]


class SourceEntry(_Entry):
    """A candidate matrix of the real benchmark, and what became of it."""

    name: Text
    group: Text
    licence: Text
    version: Name = Field(default="1.0", description="Of the dataset that considered it.")
    url: Text | None = None
    sha256: Sha256 | None = Field(default=None, description="Of the file at url.")
    matrix_id: int | None = Field(default=None, description="Number in the collection.")
    n: int | None = None
    nnz: int | None = Field(default=None, description="Nonzeros of the full matrix.")
    kind: str = ""
    family: str = Field(default="", description="Never straddles splits.")
    split: str = Field(
        default="", description="By the rule of families; of version 2.0 the part, as 'part-3'."
    )
    outcome: Text = Field(
        default="built", description="built, or why not; 'not verified': never seen here."
    )
    matrix_digest: Sha256 | None = Field(
        default=None, description="Of the source entries, see docs/format.md."
    )
    labels: dict[Name, Sha256] = Field(
        default={}, description="Sha256 of each label's float64 values, little-endian."
    )

    @property
    def full_name(self) -> str:
        """``group/name``."""
        return f"{self.group}/{self.name}"


class Manifest(_Entry):
    """Everything that exists.

    Examples
    --------
    >>> from precondbench.shards import Manifest
    >>> Manifest(schema_version=1).split("tridiag", "1", "default", "test")
    Traceback (most recent call last):
        ...
    precondbench.errors.ConfigurationError: there is no dataset 'tridiag'; there are none yet
    """

    schema_version: Literal[1]
    mirrors: list[Text] = Field(
        default=[], description="http(s) addresses or folders that hold the shards' paths."
    )
    datasets: dict[Name, dict[Name, VersionEntry]] = {}
    sources: list[SourceEntry] = []

    @model_validator(mode="after")
    def _paths_stand_for_one_file(self) -> Manifest:
        seen: dict[str, ShardFile] = {}
        for versions in self.datasets.values():
            for version in versions.values():
                for configuration in version.configurations.values():
                    for split in configuration.splits.values():
                        for shard in split.shards:
                            if seen.setdefault(shard.path, shard) != shard:
                                raise ValueError(f"path {shard.path!r} stands for two files")
        return self

    def sources_of(self, version: str) -> tuple[SourceEntry, ...]:
        """Return the candidates of a version of the real benchmark."""
        return tuple(entry for entry in self.sources if entry.version == version)

    def split(self, dataset: str, version: str, configuration: str, split: str) -> SplitEntry:
        """Look one split up.

        Parameters
        ----------
        dataset, version, configuration, split : str
            Its names.

        Returns
        -------
        SplitEntry
            Its record count, content digest and files.

        Raises
        ------
        ConfigurationError
            Listing the names there are, if one of these is not among them.
        """
        versions = _find(self.datasets, dataset, "dataset", "")
        found = _find(versions, version, "version", f" of {dataset}")
        where = f" of {dataset} {version}"
        entry = _find(found.configurations, configuration, "configuration", where)
        return _find(entry.splits, split, "split", f"{where} {configuration}")


def load_manifest(path: str | os.PathLike[str] | None = None) -> Manifest:
    """Read and check a manifest.

    Parameters
    ----------
    path : path-like, optional
        By default the one of this library: inside the installed package, else (working from
        a checkout) at the root of the repository.

    Returns
    -------
    Manifest
        The checked content.

    Raises
    ------
    ManifestError
        If the file is missing, is not JSON, or does not follow the schema; the message names
        the place.

    Examples
    --------
    >>> from precondbench.shards import load_manifest
    >>> load_manifest("nowhere.json")
    Traceback (most recent call last):
        ...
    precondbench.errors.ManifestError: nowhere.json cannot be read (No such file or directory); \
is the path right?
    """
    if path is None:
        default = _default_path()
        # The library's own file does not change under it; reading it takes milliseconds.
        status = default.stat() if default.is_file() else None
        stamp = (status.st_mtime_ns, status.st_size) if status else None
        return _load_default(default, stamp)
    return _load(Path(path))


@lru_cache(maxsize=1)
def _load_default(path: Path, stamp: tuple[int, int] | None) -> Manifest:
    return _load(path)


def _load(path: Path) -> Manifest:
    return read_model(path, Manifest, ManifestError, _HINT)


def save_manifest(manifest: Manifest, path: str | os.PathLike[str]) -> None:
    """Write a manifest, whole or not at all; equal manifests give equal bytes."""
    with replacing(Path(path)) as temporary:
        temporary.write_text(manifest_text(manifest), encoding="utf-8", newline="\n")


def manifest_text(manifest: Manifest) -> str:
    """Return what :func:`save_manifest` writes."""
    data = manifest.model_dump(mode="json")
    text = json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return text + "\n"


def manifest_json_schema() -> dict[str, Any]:
    """JSON Schema of data_manifest.json, for tools that are not Python.

    That a path stands for one file is beyond it: :func:`load_manifest` checks it.

    >>> manifest_json_schema()["required"]
    ['schema_version']
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Manifest.model_json_schema(),
    }


def _default_path() -> Path:
    here = Path(__file__).resolve()
    packaged = here.parents[2] / "data_manifest.json"
    return packaged if packaged.is_file() else here.parents[4] / "data_manifest.json"


def _find(entries: Mapping[str, Value], name: str, kind: str, where: str) -> Value:
    if name in entries:
        return entries[name]
    there = f"there are {', '.join(sorted(entries))}" if entries else "there are none yet"
    hint = did_you_mean(name, entries)
    raise ConfigurationError(f"there is no {kind} {name!r}{where}; {there}{hint}")
