"""What mirrors offer of the data this library knows, and how far they are trusted.

The manifest inside this library says which content each split has (its content digest). It
knows files and their sha256 only from the moment someone published them and the manifest was
updated. A mirror says what files it has in its own ``data_manifest.json``. That manifest is
believed on one point only: which file holds a content that this library already expects. The
file is then read, and every record's digest computed, before it is accepted.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from precondbench.errors import DigestError
from precondbench.shards.reading import read_shard
from precondbench.shards.store.cache import cache_root, mirrors, shard_path
from precondbench.shards.store.download import Progress, RefusalError, copy_file, fetch_shard
from precondbench.shards.store.manifest import Manifest, ShardFile, SplitEntry

_LOG = logging.getLogger(__name__)

MANIFEST_NAME = "data_manifest.json"
_LARGEST_MANIFEST = 64 << 20

Names = tuple[str, str, str, str]


class Offers:
    """Mirrors, each asked for its own manifest at most once.

    Parameters
    ----------
    manifest : Manifest
        What this library knows; its content digests are what every file must have.
    sources : sequence of str, optional
        Mirrors in the order in which they are asked; by default
        :func:`precondbench.shards.mirrors`.

    Examples
    --------
    >>> from precondbench.shards import load_manifest
    >>> from precondbench.shards import Offers
    >>> reasons = []
    >>> offers = Offers(load_manifest(), ["/nowhere"])
    >>> offers.fetch("synthetic-tridiag", "1.0", "uniform", "val", "/tmp", reasons=reasons)
    >>> reasons
    ['/nowhere: has no file data_manifest.json']
    """

    def __init__(self, manifest: Manifest, sources: Sequence[str] | None = None) -> None:
        self._manifest = manifest
        self._sources = list(mirrors(manifest) if sources is None else sources)
        # What a mirror's manifest says, or why there is none.
        self._own: dict[str, Any | RefusalError] = {}

    def fetch(
        self,
        dataset: str,
        version: str,
        configuration: str,
        split: str,
        root: str | Path | None = None,
        *,
        progress: Progress | None = None,
        reasons: list[str] | None = None,
    ) -> Path | None:
        """Bring a split into the cache, if a mirror has it.

        A mirror is asked for the file that this library's manifest names, and else for the one
        that its own manifest names for the same content.

        Parameters
        ----------
        dataset, version, configuration, split : str
            Names, as in the manifest.
        root : path-like, optional
            Cache folder; by default :func:`precondbench.shards.cache_root`.
        progress : callable, optional
            Called as ``progress(bytes so far, bytes in all)``.
        reasons : list of str, optional
            If no mirror helped, one sentence is appended for each of them.

        Returns
        -------
        pathlib.Path or None
            The file, at ``shard_path``; None if no mirror has it.

        Raises
        ------
        ConfigurationError
            If there is no such split, or a mirror has an unknown protocol.
        DigestError
            If a mirror serves other bytes, or other content, than were announced, and no other
            mirror has the right ones; nothing is left in the cache.
        """
        names = (dataset, version, configuration, split)
        entry = self._manifest.split(*names)
        target = shard_path(cache_root(root), *names, entry.content_digest)
        if target.is_file():
            return target
        notes: list[str] = []
        wrong: list[str] = []
        for source in self._sources:
            for file in self._files(source, names, entry, notes):
                try:
                    found = fetch_shard(
                        file,
                        [source],
                        target=target,
                        check=partial(_check_content, names, entry),
                        progress=progress,
                        reasons=notes,
                    )
                except DigestError as error:
                    wrong.append(str(error))
                else:
                    if found is not None:
                        return found
        if not self._sources:
            notes.append("no mirror is known; set PRECONDBENCH_MIRROR to an address or a folder")
        if reasons is not None:
            reasons.extend(notes)
        if wrong:
            raise DigestError("; ".join(wrong))
        return None

    def _files(
        self, source: str, names: Names, entry: SplitEntry, notes: list[str]
    ) -> Iterator[ShardFile]:
        """Files of a mirror that may hold the split, the best known first."""
        known = entry.shards if len(entry.shards) == 1 else []
        yield from known
        try:
            own = _offered(self._manifest_of(source), names, entry)
        except RefusalError as refusal:
            notes.append(f"{source}: {refusal}")
            _LOG.info("%s", notes[-1])
            return
        if own not in known:
            yield own

    def _manifest_of(self, source: str) -> Any:
        if source not in self._own:
            try:
                self._own[source] = _read_manifest(source)
            except RefusalError as refusal:
                self._own[source] = refusal
        own = self._own[source]
        if isinstance(own, RefusalError):
            raise own
        return own


def _read_manifest(source: str) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, MANIFEST_NAME)
        copy_file(source, MANIFEST_NAME, path, limit=_LARGEST_MANIFEST)
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise RefusalError(f"its {MANIFEST_NAME} is not JSON ({error})") from None


def _offered(data: Any, names: Names, entry: SplitEntry) -> ShardFile:
    """Take one file out of a mirror's manifest; a later schema may have added other fields."""
    dataset, version, configuration, split = names
    path = ("datasets", dataset, version, "configurations", configuration, "splits", split)
    where = "/".join(names)
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    if not isinstance(data, dict):
        raise RefusalError(f"its {MANIFEST_NAME} does not list {where}")
    if data.get("content_digest") != entry.content_digest:
        raise RefusalError(
            f"its {MANIFEST_NAME} lists {where} with content digest "
            f"{data.get('content_digest')}, this library expects {entry.content_digest}"
        )
    files = data.get("shards")
    if not isinstance(files, list) or len(files) != 1 or not isinstance(files[0], dict):
        raise RefusalError(f"its {MANIFEST_NAME} names no single file for {where}")
    try:
        return ShardFile.model_validate({key: files[0].get(key) for key in ShardFile.model_fields})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise RefusalError(
            f"its {MANIFEST_NAME} names no usable file for {where}: "
            f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        ) from None


def _check_content(names: Names, entry: SplitEntry, path: Path) -> None:
    shard = read_shard(path)
    header = shard.header
    found = (header.dataset, header.version, header.configuration, header.split)
    if found != names:
        raise DigestError(f"{path} says that it is {'/'.join(found)}, not {'/'.join(names)}")
    if (shard.content_digest, len(shard)) != (entry.content_digest, entry.records):
        raise DigestError(
            f"{path} has content digest {shard.content_digest} and {len(shard)} records, not "
            f"{entry.content_digest} and {entry.records}"
        )
    shard.verify()
    if entry.facts_digest is not None and shard.facts_digest() != entry.facts_digest:
        raise DigestError(
            f"{path}: its records are right, but what it says about them is not what this library "
            "expects (iterations, winners); distrust where it comes from"
        )
