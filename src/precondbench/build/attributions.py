"""Whose work the source matrices are: the collection's own words about each of them."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

from precondbench.errors import ManifestError
from precondbench.shards.manifest import Manifest

__all__ = ["Attribution", "attributions", "source_names"]


@dataclass(frozen=True)
class Attribution:
    """What has to be said about a source matrix; a text that is not known is empty.

    Attributes
    ----------
    group, name : str
        Names in the SuiteSparse Matrix Collection.
    licence : str
        SPDX identifier, from the manifest.
    matrix_id : int or None
        Number in the collection.
    title, author, editor, date : str
        From the header of the collection's file.
    """

    group: str
    name: str
    licence: str
    matrix_id: int | None = None
    title: str = ""
    author: str = ""
    editor: str = ""
    date: str = ""

    @property
    def full_name(self) -> str:
        """``group/name``."""
        return f"{self.group}/{self.name}"

    @property
    def url(self) -> str:
        """Page of the matrix in the collection."""
        return f"https://sparse.tamu.edu/{self.full_name}"


def attributions(names: Iterable[str], manifest: Manifest) -> list[Attribution]:
    """Attribution of each source matrix.

    Parameters
    ----------
    names : iterable of str
        ``group/name`` of each.
    manifest : Manifest
        Its sources say under which licence each matrix came, and its number.

    Returns
    -------
    list of Attribution
        By group and name, each matrix once.

    Raises
    ------
    ManifestError
        If the manifest has no licence for one of them: nothing may be published without.

    Examples
    --------
    >>> from precondbench.build.attributions import attributions
    >>> from precondbench.shards.manifest import load_manifest
    >>> (beam,) = attributions(["HB/nos1"], load_manifest())
    >>> beam.author, beam.date, beam.matrix_id, beam.licence
    ('H. Simon', '1982', 217, 'CC-BY-4.0')
    """
    entries = {f"{entry.group}/{entry.name}": entry for entry in manifest.sources}
    found = []
    for full_name in sorted(set(names)):
        entry = entries.get(full_name)
        if entry is None:
            raise ManifestError(
                f"the manifest's sources do not list {full_name}, so its licence is not known; "
                "add it to them before anything made from it is published"
            )
        words = _headers().get(full_name, {})
        found.append(Attribution(entry.group, entry.name, entry.licence, entry.matrix_id, **words))
    return found


def source_names(manifest: Manifest, dataset: str, version: str) -> list[str]:
    """``group/name`` of every source matrix that the recipes of a dataset name.

    Examples
    --------
    >>> from precondbench.build.attributions import source_names
    >>> from precondbench.shards.manifest import load_manifest
    >>> len(source_names(load_manifest(), "suitesparse-invk", "sample"))
    13
    >>> source_names(load_manifest(), "synthetic-tridiag", "1.0")
    []
    """
    known = {f"{source.group}/{source.name}" for source in manifest.sources}
    configurations = manifest.datasets[dataset][version].configurations
    texts = {text for entry in configurations.values() for text in _texts(entry.recipe)}
    return sorted(known & texts)


def _texts(value: object) -> Iterable[str]:
    """Every text in a JSON value, names of fields included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


@cache
def _headers() -> dict[str, dict[str, str]]:
    text = resources.files("precondbench.build").joinpath("attributions.csv").read_text("utf-8")
    return {
        f"{row.pop('group')}/{row.pop('name')}": row for row in csv.DictReader(text.splitlines())
    }
