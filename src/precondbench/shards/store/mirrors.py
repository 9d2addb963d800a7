"""Files from mirrors: folders, http(s) addresses and DOIs, and how far they are trusted.

The manifest of this library gives the content digest of each split. It knows files and their
sha256 only from the moment when someone has published them. A mirror lists its files in its own
``data_manifest.json``, which is believed on one point only: which file holds a content that this
library already expects. That file is then read, and the digest of every record computed, before
it is accepted. What a mirror says about sizes is believed up to what this library's manifest
implies, and a server must keep a pace. pooch and pydantic are imported where they are used.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from precondbench._internal import (
    TooLongError,
    TooSlowError,
    download,
    loads,
    offline,
    remove_leftovers,
    replacing,
)
from precondbench.errors import ConfigurationError, DigestError, ShardError
from precondbench.shards.store.cache import cache_root, find_shard, locked, mirrors, shard_path
from precondbench.shards.store.published import Names, largest_file, read_published

if TYPE_CHECKING:
    from precondbench.shards.store.manifest import Manifest, ShardFile, SplitEntry

_LOG = logging.getLogger(__name__)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_PAUSES = (0.5, 1.0, 2.0)  # seconds before each further attempt
# What passes by itself: too busy, restarting, too many requests.
_PASSING_STATUS = {408, 425, 429, 500, 502, 503, 504}

# (bytes so far, bytes in all)
Progress = Callable[[int, int], None]


class RefusalError(Exception):
    """A mirror does not have the file, may not be asked, or does not answer."""


class WrongBytesError(RefusalError):
    """A mirror has the file, with other bytes."""


def is_address(source: str) -> bool:
    """Whether a mirror is asked over the network; ConfigurationError for other protocols.

    >>> is_address("https://data.example/v1"), is_address("doi:10.5281/zenodo.1"), is_address("/x")
    (True, True, False)
    """
    if source.lower().startswith("doi:"):
        return True
    scheme = _SCHEME.match(source)
    if scheme is None:
        return False
    if scheme[1].lower() in {"http", "https"}:
        return True
    raise ConfigurationError(
        f"mirror {source!r} is neither an http(s) address nor a folder nor 'doi:' and a DOI"
    )


def copy_file(
    source: str,
    name: str,
    destination: Path,
    *,
    limit: int,
    progress: Progress | None = None,
) -> None:
    """Copy a file of a mirror, of at most ``limit`` bytes, to a temporary place.

    Failures of the network that may pass are tried again a few times, after longer and longer
    pauses. RefusalError if the mirror lacks the file, does not answer or may not be asked
    (``PRECONDBENCH_OFFLINE``), WrongBytesError if the file is larger.
    """
    if not is_address(source):
        original = Path(source).expanduser() / name
        if not original.is_file():
            raise RefusalError(f"has no file {name}")
        if original.stat().st_size > limit:
            raise WrongBytesError(f"has other bytes, more than {limit} of them")
        shutil.copyfile(original, destination)
    elif offline():
        raise RefusalError("not asked, PRECONDBENCH_OFFLINE forbids the network")
    else:
        _download(source, name, destination, limit, progress)


def _download(
    source: str, name: str, destination: Path, limit: int, progress: Progress | None
) -> None:
    from requests.exceptions import RequestException

    for pause in (*_PAUSES, None):
        try:
            with destination.open("wb") as handle:
                return download(f"{source.rstrip('/')}/{name}", handle, limit, progress)
        except TooLongError as error:
            raise WrongBytesError(f"has other bytes, {error}") from None
        except TooSlowError as error:
            raise RefusalError(f"download {error}") from None
        except RequestException as error:
            if pause is None or not _may_pass(error):
                raise RefusalError(f"download failed ({error})") from None
            _LOG.info("%s: %s; trying again in %g s", source, error, pause)
            time.sleep(pause)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RefusalError(f"download failed ({error})") from None
    return None


def _may_pass(error: Exception) -> bool:
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError):
        return error.response is None or error.response.status_code in _PASSING_STATUS
    if isinstance(error, exceptions.SSLError):
        return False
    return isinstance(
        error, (exceptions.ConnectionError, exceptions.Timeout, exceptions.ChunkedEncodingError)
    )


def fetch_shard(
    entry: ShardFile,
    sources: Sequence[str],
    root: Path | None = None,
    *,
    target: Path | None = None,
    check: Callable[[Path], object] | None = None,
    progress: Progress | None = None,
    timeout: float = 1800.0,
    reasons: list[str] | None = None,
) -> Path | None:
    """Bring a published shard into the cache, or return None if no mirror has it.

    A file with the published sha256 is returned without a lock (a cache may be read-only). One with
    other bytes, such as a local build by another HDF5 version, is replaced only by a good download.
    ``check`` may refuse the downloaded file by a ShardError. ``reasons`` gets a sentence for each
    mirror that did not help. DigestError if the mirrors had other bytes only; nothing is then left.
    """
    if target is None:
        target = cache_root(root) / entry.path
    if _is_published(target, entry):
        return target
    notes: list[str] = []
    wrong = False
    if sources:
        with locked(target, timeout):
            # Another process may have fetched it while this one waited.
            if _is_published(target, entry):
                return target
            remove_leftovers(target.parent)
            for source in sources:
                try:
                    with replacing(target) as temporary:
                        copy_file(
                            source, entry.path, temporary, limit=entry.bytes, progress=progress
                        )
                        _check(temporary, entry, check)
                except RefusalError as refusal:
                    notes.append(f"{source}: {refusal}")
                    wrong = wrong or isinstance(refusal, WrongBytesError)
                    _LOG.info("%s", notes[-1])
                else:
                    return target
    else:
        notes.append("no mirror is known; set PRECONDBENCH_MIRROR to an address or a folder")
    if reasons is not None:
        reasons.extend(notes)
    if wrong:
        raise DigestError(
            f"{entry.path} could not be fetched with sha256 {entry.sha256}: {'; '.join(notes)}; "
            "nothing was kept. Try another mirror, or tell the one that serves other bytes"
        )
    return None


def file_sha256(path: Path) -> str:
    """Sha256 of a file's bytes, which checks its transport (not its identity)."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _is_published(target: Path, entry: ShardFile) -> bool:
    return target.is_file() and file_sha256(target) == entry.sha256


def _check(file: Path, entry: ShardFile, check: Callable[[Path], object] | None) -> None:
    found = file_sha256(file)
    if found != entry.sha256:
        raise WrongBytesError(f"has other bytes, sha256 {found}")
    if check is not None:
        try:
            check(file)
        except ShardError as error:
            # The temporary name means nothing to users.
            raise WrongBytesError(str(error).replace(str(file), entry.path)) from None


MANIFEST_NAME = "data_manifest.json"
_LARGEST_MANIFEST = 8 << 20


class Offers:
    """Mirrors, each asked for its own manifest at most once.

    >>> from precondbench.shards import load_manifest
    >>> reasons = []
    >>> offers = Offers(load_manifest(), ["/nowhere"])
    >>> offers.fetch("synthetic-tridiag", "1.0", "uniform", "val", "/tmp", reasons=reasons)
    >>> reasons
    ['/nowhere: has no file data_manifest.json']
    """

    def __init__(self, manifest: Manifest, sources: Sequence[str] | None = None) -> None:
        self._manifest = manifest
        self._sources = list(mirrors(manifest) if sources is None else sources)
        # Manifests of the mirrors, or why there is none.
        self._own: dict[str, Any | RefusalError] = {}

    def fetch(
        self,
        dataset: str,
        version: str,
        configuration: str,
        split: str,
        root: str | Path | None = None,
        *,
        replace: bool = False,
        progress: Progress | None = None,
        reasons: list[str] | None = None,
    ) -> Path | None:
        """Bring a split into the cache, at ``shard_path``, or return None if no mirror has it.

        A file that is there is returned, or with ``replace`` replaced by a download. A mirror is
        asked for the file that this library's manifest names, and else for the one that its own
        manifest names for the same content. ``reasons`` gets a sentence for each mirror
        that did not help. DigestError if mirrors serve other bytes or content than announced, and
        no other mirror has the right ones; nothing is then left in the cache.
        """
        names = (dataset, version, configuration, split)
        entry = self._manifest.split(*names)
        there, _ = find_shard(cache_root(root), *names, entry.content_digest)
        if there.is_file() and not replace:
            return there
        target = shard_path(cache_root(root), *names, entry.content_digest)
        notes: list[str] = []
        wrong: list[str] = []
        for source in self._sources:
            for file in self._files(source, names, entry, notes):
                try:
                    found = fetch_shard(
                        file,
                        [source],
                        target=target,
                        check=partial(read_published, manifest=self._manifest, names=names),
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
            most = largest_file(self._manifest, names)
            own = _offered(self._manifest_of(source), names, entry, most)
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
            return loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise RefusalError(f"its {MANIFEST_NAME} is not JSON ({error})") from None


def _offered(data: Any, names: Names, entry: SplitEntry, most: int) -> ShardFile:
    """Take one file out of a mirror's manifest; a later schema may have added other fields."""
    from pydantic import ValidationError

    from precondbench.shards.store.manifest import ShardFile

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
        file = ShardFile.model_validate({key: files[0].get(key) for key in ShardFile.model_fields})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise RefusalError(
            f"its {MANIFEST_NAME} names no usable file for {where}: "
            f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        ) from None
    if file.bytes > most:
        raise RefusalError(
            f"its {MANIFEST_NAME} gives {where} {file.bytes} bytes; it cannot have more than {most}"
        )
    return file
