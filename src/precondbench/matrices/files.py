"""Reading and writing of matrices: Matrix Market and SciPy's npz.

Matrix Market text is checked before SciPy parses it. SciPy allocates memory for as many entries as
the header announces, and reads the longest prefix of a value that is a number: ``1,5``, ``0x4`` and
Fortran's ``1.5D+03`` become 1, 0 and 1.5. A stream with a broken header ends the process.
"""

from __future__ import annotations

import gzip
import re
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
import scipy

from precondbench._internal import replacing
from precondbench.errors import MatrixError
from precondbench.matrices.checks import check_finite, check_spd_candidate, square_matrix

Stream = IO[bytes] | gzip.GzipFile

LONGEST_LINE = 1 << 20
MOST_COMMENTS = 64 << 20
# No writer needs more for a number and the separator after it.
LONGEST_NUMBER = 128
_CHUNK = 1 << 23
_BANNER = re.compile(
    rb"%%?MatrixMarket\s+matrix\s+(coordinate|array)\s+"
    rb"(real|double|integer|unsigned-integer|complex|pattern)\s+"
    rb"(general|symmetric|skew-symmetric|hermitian)\s*",
    re.IGNORECASE,
)
_SIZE = re.compile(rb"[0-9]{1,18}")
_NUMBERS = {"complex": 2, "pattern": 0}

# Each kind of character becomes one letter, so that numbers have few forms.
_KINDS = bytearray(b"!" * 256)
for _characters, _kind in (
    (b"0123456789", b"0"),
    (b" \t\r\n\v\f", b" "),
    (b"+-", b"-"),
    (b".", b"."),
    (b"eE", b"e"),
    # Of nan, inf and infinity: they are read, and refused with a message of their own.
    (b"nNaAiIfFtTyY", b"a"),
):
    for _character in _characters:
        _KINDS[_character] = _kind[0]
_KINDS_TABLE = bytes(_KINDS)
# Never part of a number: other characters, a sign inside, an exponent without digits.
_NEVER = (b"!", b"0-", b".-", b"--", b"- ", b"-e", b" e", b"e ", b"e.", b"ee", b" . ")
_RARE = (re.compile(rb"\.0*\."), re.compile(rb"e-?0*[.e]"), re.compile(rb"0a|a0|\.a|a[.-]"))


def _check_market_text(stream: Stream, name: str) -> str:
    """Refuse text whose body does not hold what its header announces, and rewind the stream.

    Returns the symmetry of the header. A text that does not begin like Matrix Market is a
    ValueError.
    """
    form, field, symmetry = _banner(stream)
    rows, columns, entries = _sizes(stream, 3 if form == "coordinate" else 2)
    if form == "coordinate":
        expected = (2 + _NUMBERS.get(field, 1)) * entries
    else:
        entries = rows * columns
        if symmetry != "general":
            entries = rows * (rows + (-1 if symmetry == "skew-symmetric" else 1)) // 2
        expected = _NUMBERS.get(field, 1) * entries
    found = _count_numbers(stream, name, expected)
    if found != expected:
        raise MatrixError(
            f"{name} is not readable as Matrix Market: its header announces {entries} entries, "
            f"{expected} numbers, and {found} follow; the file is truncated, or damaged"
        )
    if form == "coordinate" and rows == columns and rows > entries:
        raise MatrixError(
            f"{name} is not positive definite: {rows} rows and {entries} stored entries, so a "
            "diagonal entry is missing; every one must be positive"
        )
    stream.seek(0)
    return symmetry


def _banner(stream: Stream) -> tuple[str, ...]:
    match = _BANNER.fullmatch(stream.readline(200))
    if match is None:
        raise ValueError("its first line is not a banner")
    return tuple(word.decode().lower() for word in match.groups())


def _sizes(stream: Stream, count: int) -> tuple[int, int, int]:
    """Read up to the line of the sizes; the third is 0 if there are two."""
    while stream.tell() < MOST_COMMENTS:
        line = _line(stream)
        if not line:
            raise ValueError("it ends before the line of its sizes")
        if not (line.startswith(b"%") or line.isspace()):
            sizes = line.split()
            if len(sizes) != count or not all(_SIZE.fullmatch(size) for size in sizes):
                raise ValueError(f"the line of its sizes is {line[:60]!r}, not {count} numbers")
            rows, columns, *rest = map(int, sizes)
            return rows, columns, rest[0] if rest else 0
    raise ValueError(f"it begins with more than {MOST_COMMENTS >> 20} MiB of comments")


def _line(stream: Stream) -> bytes:
    line = stream.readline(LONGEST_LINE)
    if len(line) == LONGEST_LINE:
        raise ValueError(f"a line is longer than {LONGEST_LINE >> 20} MiB")
    return line


def _count_numbers(stream: Stream, name: str, expected: int) -> int:
    """Count the numbers, up to the first beyond ``expected``; refuse anything else."""
    found = size = 0
    while chunk := stream.read(_CHUNK):
        chunk += _line(stream)
        size += len(chunk)
        kinds = b" " + chunk.translate(_KINDS_TABLE) + b" "
        if any(kind in kinds for kind in _NEVER) or any(kind.search(kinds) for kind in _RARE):
            raise MatrixError(
                f"{name} is not readable as Matrix Market: it holds something that is not a "
                f"number, near {_example(chunk, kinds)!r}; write digits, '.', and 'e' before an "
                "exponent"
            )
        blank = np.frombuffer(kinds, dtype=np.uint8) == ord(" ")
        found += int(np.count_nonzero(blank[:-1] & ~blank[1:]))
        if found > expected or size > LONGEST_LINE + LONGEST_NUMBER * expected:
            break
    return found


def _example(chunk: bytes, kinds: bytes) -> str:
    places = [kinds.find(kind) for kind in _NEVER]
    places += [match.start() for kind in _RARE if (match := kind.search(kinds))]
    place = min(place for place in places if place >= 0)
    return chunk[max(place - 10, 0) : place + 20].decode("ascii", errors="replace")


# Raised by the readers of the standard library and of SciPy for damaged bytes.
_DAMAGED = (
    ValueError,
    OverflowError,
    TypeError,
    EOFError,
    KeyError,
    AttributeError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def read_matrix_market(source: Stream, name: str) -> scipy.sparse.csr_array:
    """Parse Matrix Market text and check the result; pattern files get ones.

    The stream is read more than once: it is checked, then parsed.
    """
    try:
        symmetry = _check_market_text(source, name)
        matrix = scipy.io.mmread(source)
    except MatrixError:
        raise
    except MemoryError:
        raise MatrixError(f"{name} needs more memory than there is") from None
    except _DAMAGED as error:
        raise MatrixError(
            f"{name} is not readable as Matrix Market: {error}; the first line must be "
            "'%%MatrixMarket matrix coordinate real symmetric' or a variant"
        ) from None
    _check_given_once(matrix, symmetry, name)
    return check_spd_candidate(matrix, name)


def _check_given_once(matrix: Any, symmetry: str, name: str) -> None:
    """Refuse a position that the text gives more than once; a symmetric header gives two each.

    The format does not say what a second value means: some readers add, some replace, and with a
    symmetric header both triangles stand for a matrix that was meant once. A sum would be silent.
    """
    if not scipy.sparse.issparse(matrix):
        return
    coo = scipy.sparse.coo_array(matrix)
    row, column = coo.row.astype(np.int64), coo.col.astype(np.int64)
    key = np.sort(row * coo.shape[1] + column)
    again = key[1:][key[1:] == key[:-1]]
    if not again.size:
        return
    i, j = (int(k) + 1 for k in divmod(int(again[0]), coo.shape[1]))
    if symmetry != "general":
        i, j = max(i, j), min(i, j)
    mirrored = "" if symmetry == "general" or i == j else f", or it and ({j}, {i})"
    raise MatrixError(
        f"{name} gives entry ({i}, {j}) more than once{mirrored} (counted from 1, as in the "
        f"file, whose header says {symmetry}); write every entry once"
    )


def read_matrix(path: str | Path) -> scipy.sparse.csr_array:
    """Read and check a symmetric positive definite matrix.

    Parameters
    ----------
    path : str or pathlib.Path
        ``.mtx``, ``.mtx.gz`` (Matrix Market) or ``.npz`` (``scipy.sparse.save_npz``).

    Returns
    -------
    scipy.sparse.csr_array
        Checked symmetric matrix, see :func:`precondbench.matrices.check_spd_candidate`.

    Raises
    ------
    MatrixError
        If the file does not exist, has another format, gives an entry twice (both triangles
        under a header that says symmetric, too), or the matrix cannot be used.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from precondbench.matrices import poisson_1d, read_matrix, tridiagonal_csr, write_matrix
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "A.mtx"
    ...     write_matrix(path, tridiagonal_csr(poisson_1d(3)))
    ...     read_matrix(path).nnz
    7
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise MatrixError(f"there is no file {path}; give a .mtx, .mtx.gz or .npz file")
        if path.name.endswith(".mtx.gz"):
            with gzip.open(path, "rb") as unpacked:
                return read_matrix_market(unpacked, path.name)
        if path.suffix == ".mtx":
            with path.open("rb") as stream:
                return read_matrix_market(stream, path.name)
    except OSError as error:
        raise MatrixError(f"{path} cannot be read: {error}") from None
    if path.suffix == ".npz":
        return check_spd_candidate(_load_npz(path), path.name)
    raise MatrixError(f"{path.name}: unknown ending; give a .mtx, .mtx.gz or .npz file")


def _load_npz(path: Path) -> Any:
    try:
        # Opened here, so that it is closed after an error too.
        with path.open("rb") as stream:
            return scipy.sparse.load_npz(stream)
    except MemoryError:
        raise MatrixError(f"{path} needs more memory than there is") from None
    except (OSError, *_DAMAGED) as error:
        raise MatrixError(f"{path} is not a file of scipy.sparse.save_npz: {error}") from None


def write_matrix(path: str | Path, matrix: Any) -> None:
    """Write a matrix or factor as ``.mtx`` (17 digits, exact) or ``.npz``, atomically.

    Parameters
    ----------
    path : str or pathlib.Path
        File to write; one that exists is replaced, whole or not at all.
    matrix : sparse array, sparse matrix or array_like
        A or L, square and real; the header of ``.mtx`` says whether it is symmetric. Duplicate
        entries are summed, stored zeros written.

    Raises
    ------
    MatrixError
        If the ending is unknown, or the matrix is not square, not real or not finite.
    """
    path = Path(path)
    if path.suffix not in {".mtx", ".npz"}:
        raise MatrixError(f"{path.name}: unknown ending; write to a .mtx or .npz file")
    stored = scipy.sparse.csr_array(square_matrix(matrix, "the matrix to write"), copy=True)
    stored.sum_duplicates()
    check_finite(stored, "the matrix to write")
    with replacing(path) as temporary, temporary.open("wb") as handle:
        if path.suffix == ".npz":
            scipy.sparse.save_npz(handle, stored)
        else:
            symmetry = "symmetric" if _is_symmetric(stored) else "general"
            scipy.io.mmwrite(
                handle, scipy.sparse.coo_array(stored), precision=17, symmetry=symmetry
            )


def _is_symmetric(matrix: scipy.sparse.csr_array) -> bool:
    difference = matrix - matrix.T
    return bool(difference.nnz == 0 or np.max(np.abs(difference.data)) == 0)
