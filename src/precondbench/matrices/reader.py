"""Read a matrix file: Matrix Market (.mtx, .mtx.gz) or SciPy's .npz."""

from __future__ import annotations

import gzip
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from scipy import io, sparse
from scipy.sparse import csr_array

from precondbench.errors import MatrixError
from precondbench.files import replacing
from precondbench.matrices.checks import check_spd_candidate
from precondbench.matrices.market_text import Stream, check_market_text

__all__ = ["read_matrix", "read_matrix_market", "write_matrix"]


# What the readers of the standard library and of SciPy raise for damaged bytes.
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


def read_matrix_market(source: Stream, name: str) -> csr_array:
    """Parse Matrix Market text and check the result; pattern files get ones.

    Parameters
    ----------
    source : binary file
        Can be read from its start more than once: it is checked, then parsed.
    name : str
        How messages call it.

    Raises
    ------
    MatrixError
        If the text is not Matrix Market, or the matrix cannot be used.
    """
    try:
        check_market_text(source, name)
        matrix = io.mmread(source)
    except MatrixError:
        raise
    except MemoryError:
        raise MatrixError(f"{name} needs more memory than there is") from None
    except _DAMAGED as error:
        raise MatrixError(
            f"{name} is not readable as Matrix Market: {error}; the first line must be "
            "'%%MatrixMarket matrix coordinate real symmetric' or a variant"
        ) from None
    return check_spd_candidate(matrix, name)


def read_matrix(path: str | Path) -> csr_array:
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
        If the file does not exist, has another format, or the matrix cannot be used.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from precondbench.matrices import poisson_1d, read_matrix, symmetric_csr, write_matrix
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "A.mtx"
    ...     write_matrix(path, symmetric_csr(poisson_1d(3)))
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
        # Opened here, so that it is closed however that ends.
        with path.open("rb") as stream:
            return sparse.load_npz(stream)
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
        A or L; the header of ``.mtx`` says whether it is symmetric.

    Raises
    ------
    MatrixError
        If the ending is unknown.
    """
    path = Path(path)
    if path.suffix not in {".mtx", ".npz"}:
        raise MatrixError(f"{path.name}: unknown ending; write to a .mtx or .npz file")
    stored = csr_array(matrix)
    with replacing(path) as temporary, temporary.open("wb") as handle:
        if path.suffix == ".npz":
            sparse.save_npz(handle, stored)
        else:
            symmetry = "symmetric" if _is_symmetric(stored) else "general"
            io.mmwrite(handle, sparse.coo_array(stored), precision=17, symmetry=symmetry)


def _is_symmetric(matrix: csr_array) -> bool:
    difference = matrix - matrix.T
    return bool(difference.nnz == 0 or np.max(np.abs(difference.data)) == 0)
