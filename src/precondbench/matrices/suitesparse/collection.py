"""Access to the SuiteSparse Matrix Collection: mirrors in folders, URLs, and the catalogue."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import tarfile
import zlib
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import IO, Any

import scipy

from precondbench._internal import (
    TooLongError,
    TooSlowError,
    download,
    make_folder,
    offline,
    remove_leftovers,
    replacing,
)
from precondbench.errors import ConfigurationError, MatrixError, MissingDataError
from precondbench.matrices.files import read_matrix_market

SOURCE_VARIABLE = "PRECONDBENCH_SUITESPARSE"
# The largest matrix of the catalogue (n < 50,000) takes 0.2 GB of text.
MAX_MATRIX_BYTES = 4 << 30
_INDEX_SECONDS = 300.0  # for an index of half a megabyte
# Of an archive; the largest has 14 an entry, of a matrix that takes 640 bytes.
_BYTES_AN_ENTRY = 64
_ARCHIVE_BYTES = 16 << 20  # for descriptions, coordinates and right-hand sides


@dataclass(frozen=True)
class CollectionEntry:
    """One line of the collection's index.

    Attributes
    ----------
    matrix_id : int
        Number in the collection, from 1.
    group, name : str
        ``f"{group}/{name}"`` is unique.
    rows, columns, nnz : int
        Size, and numerically nonzero entries of the full matrix.
    real, positive_definite : bool
        As the index says.
    kind : str
        Problem domain.
    """

    matrix_id: int
    group: str
    name: str
    rows: int
    columns: int
    nnz: int
    real: bool
    positive_definite: bool
    kind: str

    @property
    def full_name(self) -> str:
        """``group/name``."""
        return f"{self.group}/{self.name}"


def mirrors_in(text: str) -> list[str]:
    """Folders and addresses in a list that is separated as ``PATH`` is; addresses have colons.

    >>> mirrors_in(os.pathsep.join(["/data/a", "http://127.0.0.1:8000/b", "", "/data/c"]))
    ['/data/a', 'http://127.0.0.1:8000/b', '/data/c']
    """
    return _PLACE.findall(text)


_PLACE = re.compile(
    r"https?://(?:\[[^]]*\]|[^/@]*)(?::[0-9]+(?=[/@]|$))?[^@]*|[^@]+".replace("@", os.pathsep)
)


class Collection:
    """Matrices of the SuiteSparse collection from one mirror or several.

    Parameters
    ----------
    source : str or pathlib.Path, optional
        A folder with ``files/ssstats.csv`` and ``MM/<group>/<name>.tar.gz``, an http(s)
        URL of the same layout, or several of them, separated as in ``PATH``: a matrix is taken
        from the first that has it. By default the environment variable
        ``PRECONDBENCH_SUITESPARSE``.
    cache : pathlib.Path, optional
        Folder for what a URL source downloads.

    Raises
    ------
    ConfigurationError
        If there is no source.
    MissingDataError
        If a folder does not look like a mirror.

    Examples
    --------
    >>> from precondbench.matrices import Collection
    >>> Collection("nowhere")
    Traceback (most recent call last):
        ...
    precondbench.errors.MissingDataError: nowhere is not a mirror of the collection: \
files/ssstats.csv is missing; name the folder that holds files/ and MM/
    """

    def __init__(self, source: str | Path | None = None, cache: Path | None = None) -> None:
        source = source if source is not None else os.environ.get(SOURCE_VARIABLE)
        places = [str(source)] if isinstance(source, Path) else mirrors_in(source or "")
        if not places:
            raise ConfigurationError(
                f"no matrix collection given: name a folder or URL, or set {SOURCE_VARIABLE}"
            )
        self.places = places
        self._mirrors = [_Mirror(place, cache) for place in places]
        self._entries: list[CollectionEntry] | None = None

    def entries(self) -> list[CollectionEntry]:
        """Return the whole index, in the collection's order; MissingDataError if it has none."""
        if self._entries is None:
            found = [entry for mirror in reversed(self._mirrors) for entry in mirror.entries()]
            by_name = {entry.full_name: entry for entry in found}
            self._entries = sorted(by_name.values(), key=lambda entry: entry.matrix_id)
        return self._entries

    def positive_definite(self, max_n: int | None = None) -> list[CollectionEntry]:
        """Entries that the index marks real symmetric positive definite, by size, then name."""
        found = [
            entry
            for entry in self.entries()
            if entry.positive_definite
            and entry.real
            and entry.rows == entry.columns
            and (max_n is None or entry.rows <= max_n)
        ]
        return sorted(found, key=lambda entry: (entry.rows, entry.full_name))

    def has(self, entry: CollectionEntry) -> bool:
        """Whether a mirror has the matrix; a URL is assumed to have all."""
        return any(mirror.has(entry) for mirror in self._mirrors)

    def matrix(self, entry: CollectionEntry) -> scipy.sparse.csr_array:
        """Read one matrix, checked by ``check_spd_candidate``.

        MissingDataError if no mirror has it, MatrixError if the archive is damaged or not what
        the index says.
        """
        for mirror in self._mirrors[:-1]:
            if mirror.has(entry):
                with suppress(MissingDataError):
                    return mirror.matrix(entry)
        try:
            return self._mirrors[-1].matrix(entry)
        except MissingDataError as error:
            others = ", ".join(self.places[:-1])
            raise MissingDataError(f"{error}, nor in {others}" if others else str(error)) from None


class _Mirror:
    """One folder or address."""

    def __init__(self, place: str, cache: Path | None) -> None:
        self.url = place.rstrip("/") if place.startswith(("http://", "https://")) else None
        self.folder = None if self.url else Path(place)
        self.cache = cache
        if self.folder is not None and not (self.folder / "files" / "ssstats.csv").is_file():
            raise MissingDataError(
                f"{self.folder} is not a mirror of the collection: files/ssstats.csv is missing; "
                "name the folder that holds files/ and MM/"
            )

    def entries(self) -> list[CollectionEntry]:
        if self.folder is not None:
            return _parse_index(self.folder / "files" / "ssstats.csv")
        return _search_online(str(self.url), self._cache_folder())

    def has(self, entry: CollectionEntry) -> bool:
        return self.folder is None or self._archive(entry).is_file()

    def matrix(self, entry: CollectionEntry) -> scipy.sparse.csr_array:
        archive = self._archive(entry) if self.folder is not None else self._download(entry)
        if not archive.is_file():
            raise MissingDataError(f"{entry.full_name} is not in the mirror {self.folder}")
        try:
            return self._checked(archive, entry)
        except MatrixError:
            if self.folder is None:
                archive.unlink(missing_ok=True)  # So that the next call fetches it again.
            raise

    def _checked(self, archive: Path, entry: CollectionEntry) -> scipy.sparse.csr_array:
        matrix = _read_archive(archive, entry)
        if matrix.shape[0] != entry.rows or matrix.nnz != entry.nnz:
            raise MatrixError(
                f"{entry.full_name}: {matrix.shape[0]} rows and {matrix.nnz} nonzeros, the index "
                f"says {entry.rows} and {entry.nnz}; {archive} holds another matrix"
            )
        return matrix

    def _archive(self, entry: CollectionEntry) -> Path:
        assert self.folder is not None
        return self.folder / "MM" / entry.group / f"{entry.name}.tar.gz"

    def _cache_folder(self) -> Path:
        if offline():
            raise MissingDataError(
                f"PRECONDBENCH_OFFLINE forbids asking {self.url}; unset it, or name a local mirror"
            )
        if self.cache is None:
            raise ConfigurationError("a URL source needs a cache folder for its downloads")
        self.cache.mkdir(parents=True, exist_ok=True)
        return self.cache

    def _download(self, entry: CollectionEntry) -> Path:
        import requests

        path = self._cache_folder() / "MM" / entry.group / f"{entry.name}.tar.gz"
        if path.is_file():
            return path
        # The size of the archive is not known before; the index bounds it.
        limit = _ARCHIVE_BYTES + _BYTES_AN_ENTRY * entry.nnz
        try:
            make_folder(path.parent)
            remove_leftovers(path.parent)
            with replacing(path) as temporary, temporary.open("wb") as handle:
                url = f"{self.url}/MM/{entry.group}/{entry.name}.tar.gz"
                download(url, handle, limit)
        except TooLongError as error:
            raise MissingDataError(
                f"{entry.full_name} could not be fetched: bytes without end, {error}"
            ) from None
        except (TooSlowError, requests.RequestException, OSError, ValueError) as error:
            raise MissingDataError(f"{entry.full_name} could not be fetched: {error}") from None
        return path


def _parse_index(path: Path) -> list[CollectionEntry]:
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            rows = list(csv.reader(handle))
        entries = [_entry(number, row) for number, row in enumerate(rows[2:], start=1)]
        count = int(rows[0][0])
    except (IndexError, ValueError, csv.Error) as error:
        raise MissingDataError(
            f"{path} is not the collection's index: {error}; fetch it again"
        ) from None
    if len(entries) != count:
        raise MissingDataError(
            f"{path} lists {len(entries)} matrices but announces {count}; fetch it again"
        )
    return entries


def _entry(number: int, row: list[str]) -> CollectionEntry:
    group, name = row[0], row[1]
    _check_names(number, group, name)
    sizes = (int(row[2]), int(row[3]), int(row[4]))
    return CollectionEntry(number, group, name, *sizes, row[5] == "1", row[8] == "1", row[11])


def _check_names(number: int, *names: str) -> None:
    """Refuse names that would leave the folder of a mirror as file names."""
    for name in names:
        if not name or name in {".", ".."} or any(sign in name for sign in "/\\:\0"):
            raise ValueError(f"matrix {number} has the name {'/'.join(names)!r}")


# Importing ssgetpy reads HOME, makes a folder there and downloads the index, without a time limit
# and whatever the status. So this runs in a process of its own, which can be killed, with a
# configuration that names our URL and our cache.
_SEARCH = """
import json, sys, types
import requests

url, cache = sys.argv[1:]
index = f"{url}/files/ssstats.csv"
config = types.ModuleType("ssgetpy.config")
config.SS_DIR, config.SS_DB, config.SS_TABLE = cache, f"{cache}/index.db", "MATRICES"
config.SS_ROOT_URL, config.SS_INDEX_URL = url, index
sys.modules["ssgetpy.config"] = config
with requests.get(index, stream=True) as response:
    response.raise_for_status()
import ssgetpy

columns = ("id", "group", "name", "rows", "cols", "nnz", "dtype", "kind")
found = ssgetpy.search(isspd=True, limit=1_000_000)
print(json.dumps([[getattr(matrix, column) for column in columns] for matrix in found]))
"""


def _search_online(url: str, cache: Path) -> list[CollectionEntry]:
    """Return what the index at ``url`` marks positive definite, as ssgetpy finds it."""
    try:
        done = subprocess.run(  # noqa: S603  # our own program
            [sys.executable, "-W", "ignore", "-c", _SEARCH, url, str(cache.absolute())],
            cwd=cache,
            capture_output=True,
            text=True,
            timeout=_INDEX_SECONDS,
            check=True,
        )
        found = [
            CollectionEntry(number, group, name, rows, columns, nnz, kind != "complex", True, what)
            for number, group, name, rows, columns, nnz, kind, what in json.loads(done.stdout)
        ]
        for entry in found:
            _check_names(entry.matrix_id, entry.group, entry.name)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        why = str(error)
        if isinstance(error, subprocess.TimeoutExpired):
            why = f"given up after {_INDEX_SECONDS:g} s"
        elif isinstance(error, subprocess.CalledProcessError):
            why = (error.stderr.strip().splitlines() or [why])[-1]
        _forget_index(cache)
        raise MissingDataError(
            f"the index of {url} could not be fetched: {why}; check the URL and the network, or "
            "name a local mirror"
        ) from None
    if not found:
        _forget_index(cache)
        raise MissingDataError(
            f"{url}/files/ssstats.csv lists no positive definite matrix; is it the collection?"
        )
    return found


def _forget_index(cache: Path) -> None:
    for path in cache.glob("index.db*"):  # The database of ssgetpy, and its journal.
        path.unlink(missing_ok=True)


def _read_archive(archive: Path, entry: CollectionEntry) -> scipy.sparse.csr_array:
    """Read ``<name>/<name>.mtx`` from a tar archive without extracting anything."""
    wanted = f"{entry.name}/{entry.name}.mtx"
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                if member.name.removeprefix("./") != wanted:
                    continue
                if not member.isfile() or member.size > MAX_MATRIX_BYTES:
                    raise MatrixError(
                        f"{archive}: {wanted} is not a plain file of at most "
                        f"{MAX_MATRIX_BYTES >> 30} GiB"
                    )
                handle: IO[bytes] | Any = tar.extractfile(member)
                return read_matrix_market(handle, entry.full_name)
    except MatrixError:
        raise
    # A header may announce a name of gigabytes, or hold broken numbers.
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError, MemoryError) as error:
        raise MatrixError(
            f"{archive} is damaged: {error or type(error).__name__}; fetch it again"
        ) from None
    raise MatrixError(f"{archive} does not contain {wanted}")


def catalogue(max_n: int | None = 49_999) -> tuple[CollectionEntry, ...]:
    """Return the real positive definite entries of the collection, by size, then name.

    Taken from its index of 8 October 2020 (2893 matrices).

    Parameters
    ----------
    max_n : int or None
        Most rows: 161 entries by default, 235 without a limit.

    Returns
    -------
    tuple of CollectionEntry
        Facts only; no matrix is read.

    Examples
    --------
    >>> from precondbench.matrices import catalogue
    >>> len(catalogue()), catalogue()[0].full_name, catalogue(None)[-1].full_name
    (161, 'Oberwolfach/LFAT5', 'Janna/Queen_4147')
    """
    return tuple(entry for entry in _catalogue() if max_n is None or entry.rows <= max_n)


@cache
def _catalogue() -> tuple[CollectionEntry, ...]:
    folder = resources.files("precondbench.matrices.suitesparse")
    text = folder.joinpath("catalogue.csv").read_text("utf-8")
    entries = []
    for row in csv.DictReader(text.splitlines()):
        number, n, nnz = int(row["id"]), int(row["n"]), int(row["nnz"])
        facts = (n, n, nnz, True, True, row["kind"])
        entries.append(CollectionEntry(number, row["group"], row["name"], *facts))
    return tuple(entries)
