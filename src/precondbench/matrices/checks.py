"""Checks of matrices before they are factored, with one error for each fault, and scalings."""

from __future__ import annotations

import hashlib
import sys
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from precondbench._internal import kernel
from precondbench.errors import MatrixError

# Of two entries written with 12 digits, which may differ by one in the last digit.
SYMMETRY_TOLERANCE = 1.1e-11
# Of sums that cancelled, in units of the terms: two assembly loops add them in different orders.
CANCELLATION = 16 * np.finfo(np.float64).eps


def check_spd_candidate(matrix: Any, name: str = "matrix") -> scipy.sparse.csr_array:
    """Check a symmetric matrix and return it as a float64 CSR copy.

    Positive definiteness itself is not tested here, only what it requires: a square, real,
    finite, symmetric matrix with a positive diagonal. Duplicate entries are summed,
    column indices sorted, and stored zeros dropped: the pattern of A is its numerically
    nonzero entries, as in the collection's own count.

    Parameters
    ----------
    matrix : sparse array, sparse matrix or array_like
        The matrix; integer and boolean types are converted to float64.
    name : str
        Its name in error messages.

    Returns
    -------
    scipy.sparse.csr_array
        Shape (n, n), float64, sorted, exactly symmetric (the lower triangle is mirrored).

    Raises
    ------
    MatrixError
        If the matrix is not two-dimensional, empty, not square, complex, not finite, not
        symmetric, or has a diagonal entry that is not positive.

    Notes
    -----
    Entries (i, j) and (j, i) may differ by 1.1e-11 of the larger one, which is what writing them
    with 12 digits does, or by 16 rounding errors of the other entries in their rows, as sums that
    cancel do: by 16 eps min(m_i, m_j) sqrt(A_ii A_jj), where m_i is the largest |A_ik| /
    sqrt(A_ii A_kk), k other than i. Both tests stay the same when A is scaled to D A D. An entry
    that a sparse matrix stores on one side only must be zero.

    Examples
    --------
    >>> from precondbench.matrices import check_spd_candidate
    >>> check_spd_candidate([[2, -1], [-1, 2]]).nnz
    4
    >>> check_spd_candidate([[1.0, 0.0], [0.0, -1.0]], "my A")
    Traceback (most recent call last):
        ...
    precondbench.errors.MatrixError: my A is not positive definite: diagonal entry 1 is -1 \
(1 such entries); every one must be positive
    """
    if _is_usual(matrix) and _is_plain(matrix.indptr, matrix.indices, matrix.data, *_NOTHING):
        return _copied(matrix)
    matrix = square_matrix(matrix, name)
    full = scipy.sparse.csr_array(matrix, copy=True)
    full.sum_duplicates()  # Which may overflow.
    check_finite(full, name)
    diagonal = full.diagonal()
    _check_symmetry(full, diagonal, scipy.sparse.issparse(matrix), name)
    full.eliminate_zeros()
    _check_diagonal(diagonal, name)
    lower = scipy.sparse.tril(full, format="csr")
    strict = scipy.sparse.tril(full, k=-1, format="csr")
    symmetric = scipy.sparse.csr_array(lower + strict.T)
    symmetric.sort_indices()
    return symmetric


def plain_lower_triangle(matrix: Any) -> tuple[NDArray[Any], ...] | None:
    """Pointers, columns and values of tril(A) if A passes every check as it is, else None.

    The copy that :func:`check_spd_candidate` makes takes longer than what is done with it here.
    """
    if not _is_usual(matrix):
        return None
    n = matrix.shape[0]
    # Each entry left of the diagonal needs a mirror image of its own.
    room = (matrix.indices.size + n) // 2
    triangle = np.zeros(n + 1, np.int64), np.empty(room, np.int32), np.empty(room, np.float64)
    if not _is_plain(matrix.indptr, matrix.indices, matrix.data, *triangle):
        return None
    starts, columns, values = triangle
    return starts, columns[: starts[n]], values[: starts[n]]


def _is_usual(matrix: Any) -> bool:
    """Whether a matrix is square CSR of float64 and not empty; nothing is said of its entries."""
    return bool(
        scipy.sparse.issparse(matrix)
        and matrix.format == "csr"
        and matrix.ndim == 2
        and matrix.shape[0] == matrix.shape[1] > 0
        and matrix.dtype == np.float64
        and matrix.dtype.isnative
    )


# In place of a lower triangle that nobody wants.
_NOTHING = np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.float64)


@kernel
def _is_plain(indptr, indices, data, starts, columns, values):  # type: ignore[no-untyped-def]
    """Whether a matrix passes every check as it is, sorted, without zeros and exactly symmetric.

    The lower triangle is written to the last three arrays, unless they are empty. An entry right
    of the diagonal is read as the mirror image of one on the left: those must come in order, and
    use all of them up.
    """
    n = indptr.size - 1
    stored = min(indices.size, data.size)
    wanted = starts.size > 0
    count = 0
    # Of each row, the first entry right of the diagonal whose mirror image has not come yet.
    following = np.empty(n, indptr.dtype)
    if indptr[0] != 0:
        return False
    for i in range(n):
        p, end = indptr[i], indptr[i + 1]
        if end < p or end > stored:
            return False
        before = -1
        while p < end and indices[p] < i:
            value = data[p]
            if indices[p] <= before or value == 0.0 or not abs(value) < np.inf:
                return False
            before = indices[p]
            # Unsigned, so that nothing is computed for indices from the end.
            j = np.uint32(before)
            q = following[j]
            if q == indptr[j + np.uint32(1)] or indices[q] != i or data[q] != value:
                return False
            following[j] = q + 1
            if wanted:
                columns[count] = before
                values[count] = value
                count += 1
            p += 1
        if p == end or indices[p] != i or not (data[p] > 0.0 and data[p] < np.inf):
            return False
        following[i] = p + 1
        if wanted:
            columns[count] = i
            values[count] = data[p]
            count += 1
            starts[i + 1] = count
    return np.all(following == indptr[1:])


def _copied(matrix: Any) -> scipy.sparse.csr_array:
    """Copy a sorted matrix without duplicates."""
    stored = matrix.indptr[-1]
    arrays = matrix.data[:stored].copy(), matrix.indices[:stored].copy(), matrix.indptr.copy()
    copy = scipy.sparse.csr_array(arrays, shape=matrix.shape)
    copy.has_sorted_indices = copy.has_canonical_format = True
    return copy


def real_matrix(matrix: Any, name: str) -> Any:
    """Return a sparse matrix, its indices checked, or an array, of native float64 in both cases.

    Taken are SciPy's sparse arrays and matrices, tensors of torch of every layout and device, and
    what NumPy makes an array of; integers, booleans and floats of every length and byte order.
    MatrixError for complex numbers and everything else. What is float64 already is not copied.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(matrix, torch.Tensor):
        matrix = _from_torch(matrix, name)
    if isinstance(matrix, np.ma.MaskedArray):
        raise MatrixError(f"{name} is a masked array; fill it first (matrix.filled(0))")
    if scipy.sparse.issparse(matrix):
        check_indices(matrix, name)
        _check_type(matrix.dtype, name)
        if matrix.dtype == np.float64 and matrix.dtype.isnative:
            return matrix
        # The sums of duplicates of a short type would be short.
        try:
            coo = matrix.tocoo()
        except (ValueError, TypeError) as error:
            raise MatrixError(
                f"{name} has entries of type {matrix.dtype} that SciPy does not convert: {error}; "
                f"set {name}.data = {name}.data.astype(float)"
            ) from None
        return scipy.sparse.coo_array((_to_float64(coo.data), _coordinates(coo)), shape=coo.shape)
    if hasattr(matrix, "matvec"):
        raise MatrixError(
            f"{name} is an operator ({type(matrix).__name__}), whose entries are not known; give a "
            "matrix (solvers take an operator as M=)"
        )
    try:
        array = np.asarray(matrix)
    except (ValueError, TypeError, RuntimeError) as error:
        raise MatrixError(f"{name} cannot be read as a matrix: {error}") from None
    _check_type(array.dtype, name)
    return _to_float64(array)


def _check_type(dtype: np.dtype[Any], name: str) -> None:
    if dtype.kind == "c":
        raise MatrixError(
            f"{name} is complex ({dtype}); only real numbers are supported: give {name}.real if "
            "its imaginary part is zero"
        )
    if dtype.kind not in "fiub":
        hint = "; read a file with precondbench.matrices.read_matrix" if dtype.kind in "SU" else ""
        raise MatrixError(f"{name} has entries of type {dtype}; give real numbers{hint}")


def _to_float64(values: NDArray[Any]) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):  # Of longer types; infinity is refused elsewhere.
        return values.astype(np.float64, copy=False)


def _from_torch(tensor: Any, name: str) -> Any:
    """Sparse array or NumPy array with the values of a tensor, cut off from its graph."""
    try:
        tensor = tensor.detach().cpu()
        if tensor.is_floating_point():
            # NumPy has no bfloat16.
            tensor = tensor.double()
        if str(tensor.layout) == "torch.strided":
            return tensor.resolve_conj().resolve_neg().numpy()
        if tensor.ndim != 2:
            raise MatrixError(f"{name} has {tensor.ndim} dimension(s); a matrix has two")
        # Compressed layouts and blocks, too; duplicates are summed by coalesce.
        entries = tensor.to_sparse_coo().coalesce()
        row, column = entries.indices().numpy()
        values = entries.values().resolve_conj().numpy()
        return scipy.sparse.coo_array((values, (row, column)), shape=tuple(tensor.shape))
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
        if isinstance(error, MatrixError):
            raise
        raise MatrixError(
            f"{name} is a tensor of layout {tensor.layout} and type {tensor.dtype} that cannot be "
            f"converted: {error}; give a dense or sparse COO tensor of real numbers"
        ) from None


def check_indices(matrix: Any, name: str) -> None:
    """Refuse a sparse matrix whose indices point outside it, because compiled code follows them.

    SciPy itself checks only a few of the indices that it is given.
    """
    groups = [(indices, size) for indices, size in _index_arrays(matrix) if indices.size]
    for indices, size in groups:
        low, high = int(indices.min()), int(indices.max())
        if low < 0 or high >= size:
            raise MatrixError(
                f"{name} is not a valid {matrix.format} array: an index is "
                f"{low if low < 0 else high}, it must be from 0 to {size - 1}"
            )
    if matrix.format in {"csr", "csc", "bsr"}:
        pointers = matrix.indptr
        stored = min(len(matrix.indices), len(matrix.data))
        if pointers[0] != 0 or np.any(pointers[1:] < pointers[:-1]) or pointers[-1] > stored:
            raise MatrixError(
                f"{name} is not a valid {matrix.format} array: its pointers must ascend from 0 to "
                f"at most {stored}, the number of its entries"
            )


def _coordinates(coo: Any) -> tuple[NDArray[Any], ...]:
    # SciPy before 1.13 has no other names for them, and no sparse vectors.
    return getattr(coo, "coords", None) or (coo.row, coo.col)


def _index_arrays(matrix: Any) -> list[tuple[NDArray[Any], int]]:
    """Arrays of indices, each with the number that it must stay below."""
    if matrix.format == "coo":
        return list(zip(_coordinates(matrix), matrix.shape, strict=True))
    if matrix.format == "csr" and matrix.ndim == 2:
        return [(matrix.indices, matrix.shape[1])]
    if matrix.format == "csc":
        return [(matrix.indices, matrix.shape[0])]
    if matrix.format == "bsr":
        return [(matrix.indices, matrix.shape[1] // matrix.blocksize[1])]
    return []


def check_finite(full: scipy.sparse.csr_array, name: str) -> None:
    """Refuse infinity and NaN; the message names the first such entry."""
    bad = np.flatnonzero(~np.isfinite(full.data))
    if bad.size:
        row = int(np.searchsorted(full.indptr, bad[0], side="right")) - 1
        raise MatrixError(
            f"{name} is not finite: entry ({row}, {full.indices[bad[0]]}) is {full.data[bad[0]]} "
            f"({bad.size} such entries); remove NaN and infinity"
        )


def _check_symmetry(
    full: scipy.sparse.csr_array, diagonal: NDArray[np.float64], structural: bool, name: str
) -> None:
    """Compare each entry with its mirror image; ``structural``: zeros are stored for a reason."""
    other = scipy.sparse.csr_array(full.T)
    other.sort_indices()
    same = np.array_equal(full.indptr, other.indptr) and np.array_equal(full.indices, other.indices)
    if same and np.array_equal(full.data, other.data):
        return
    n = full.shape[0]
    row = np.repeat(np.arange(n), np.diff(full.indptr))
    column = full.indices
    # Of each entry, its mirror image, NaN where none is stored.
    key, mirrored = row * n + column, column.astype(np.int64) * n + row
    place = np.minimum(np.searchsorted(key, mirrored), key.size - 1)
    stored = key[place] == mirrored
    a, b = full.data, np.where(stored, full.data[place], 0.0)
    size, twin = np.abs(a), np.abs(b)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        root = np.sqrt(np.abs(diagonal))
        terms = size / root[row] / root[column]
        terms[(row == column) | ~np.isfinite(terms)] = 0.0
        largest = np.zeros(n)
        np.maximum.at(largest, row, terms)
        np.maximum.at(largest, column, terms)
        rounding = CANCELLATION * np.minimum(largest[row], largest[column])
        rounding = rounding * root[row] * root[column]
        # Each half may overflow in a difference of opposite signs.
        difference = np.abs(0.5 * a - 0.5 * b)
        allowed = np.maximum(SYMMETRY_TOLERANCE * np.maximum(size, twin), rounding)
        excess = difference - 0.5 * allowed
    excess[~(difference > 0.5 * allowed)] = -np.inf
    if structural:
        excess[~stored & (size > 0.0)] = size[~stored & (size > 0.0)]
    worst = int(np.argmax(excess))
    if excess[worst] > -np.inf:
        i, j = int(row[worst]), int(column[worst])
        i, j = max(i, j), min(i, j)
        raise MatrixError(
            f"{name} is not symmetric: entry ({i}, {j}) is {full[i, j]:.6g} but ({j}, {i}) is "
            f"{full[j, i]:.6g}; if that is rounding, pass (A + A.T) / 2; if only one triangle is "
            "stored, pass tril(A) + tril(A, -1).T"
        )


def square_matrix(matrix: Any, name: str) -> Any:
    """Return a sparse matrix or an array of float64: square, real, not empty."""
    matrix = real_matrix(matrix, name)
    if matrix.ndim != 2:
        raise MatrixError(f"{name} has {matrix.ndim} dimension(s); a matrix has two")
    rows, columns = matrix.shape
    if rows == 0 or columns == 0:
        raise MatrixError(f"{name} is empty ({rows} x {columns}); give a matrix with entries")
    if rows != columns:
        raise MatrixError(f"{name} is not square ({rows} x {columns}); give a square matrix")
    return matrix


def _check_diagonal(diagonal: NDArray[np.float64], name: str) -> None:
    bad = np.flatnonzero(~(diagonal > 0))
    if bad.size:
        raise MatrixError(
            f"{name} is not positive definite: diagonal entry {int(bad[0])} is "
            f"{diagonal[bad[0]]:.6g} ({bad.size} such entries); every one must be positive"
        )


def power_of_two_scaling(diagonal: NDArray[np.float64]) -> NDArray[np.float64]:
    """Powers of two s with s_i^2 A_ii in [0.5, 2), from the positive diagonal of A.

    A -> S A S and L -> S L are then exact in binary arithmetic: every factor here commutes
    with it to the bit, barring overflow and underflow.
    """
    _, exponent = np.frexp(diagonal)
    scale: NDArray[np.float64] = np.ldexp(1.0, -(exponent // 2))
    return scale


def check_general(matrix: Any, name: str = "matrix") -> scipy.sparse.csr_array:
    """Check a square matrix and return it as a sorted float64 CSR copy with its whole diagonal.

    Stored zeros off the diagonal are dropped; one on the diagonal stays, since elimination may fill
    it. A dense matrix counts as holding its whole diagonal.
    """
    matrix = square_matrix(matrix, name)
    rows = matrix.shape[0]
    coo = scipy.sparse.coo_array(matrix)
    row, column, data = coo.row.astype(np.int32), coo.col.astype(np.int32), coo.data
    if not scipy.sparse.issparse(matrix):
        # Zeros on the diagonal of a dense matrix are entries like any other.
        everywhere = np.arange(rows, dtype=np.int32)
        row, column = np.concatenate((row, everywhere)), np.concatenate((column, everywhere))
        data = np.concatenate((data, np.zeros(rows)))
    full = scipy.sparse.csr_array(scipy.sparse.coo_array((data, (row, column)), shape=(rows, rows)))
    full.sum_duplicates()  # Which may overflow.
    check_finite(full, name)
    row = np.repeat(np.arange(rows), np.diff(full.indptr))
    kept = (full.data != 0.0) | (full.indices == row)
    indptr = np.concatenate(([0], np.cumsum(np.bincount(row[kept], minlength=rows))))
    result = scipy.sparse.csr_array(
        (full.data[kept], full.indices[kept], indptr.astype(full.indptr.dtype)), shape=full.shape
    )
    present = np.zeros(rows, dtype=bool)
    present[row[full.indices == row]] = True
    missing = np.flatnonzero(~present)
    if missing.size:
        raise MatrixError(
            f"{name} stores no diagonal entry in row {int(missing[0])} ({missing.size} such rows); "
            "permute the rows to a full diagonal (scipy.sparse.csgraph.maximum_bipartite_matching)"
        )
    result.has_sorted_indices = True
    return result


def general_scaling(
    matrix: scipy.sparse.csr_array,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Powers of two r, c such that the largest entry of each row and column is in [0.5, 1).

    Rows first, then columns; a row or column of zeros gets 1. A -> R A C, L -> R L R^-1 and
    U -> R U C are exact, and a unit diagonal of L stays one. The diagonal of A may hold zeros.
    """
    n = matrix.shape[0]
    row = np.repeat(np.arange(n), np.diff(matrix.indptr))
    size = np.abs(np.asarray(matrix.data, dtype=np.float64))
    r = _to_unit(size, row, n)
    return r, _to_unit(size * r[row], matrix.indices, n)


def _to_unit(size: NDArray[np.float64], group: NDArray[Any], n: int) -> NDArray[np.float64]:
    largest = np.zeros(n)
    np.maximum.at(largest, group, size)
    _, exponent = np.frexp(largest)
    scale: NDArray[np.float64] = np.ldexp(1.0, -exponent)
    return scale


def matrix_digest(matrix: scipy.sparse.csr_array) -> str:
    """Sha256 of a checked symmetric matrix.

    The hash is over n, row pointers and column indices (int64) and values (float64) of the
    full matrix in sorted CSR, all little-endian.
    """
    digest = hashlib.sha256()
    digest.update(np.int64(matrix.shape[0]).astype("<i8").tobytes())
    for part in (matrix.indptr, matrix.indices):
        digest.update(np.ascontiguousarray(part, dtype="<i8").tobytes())
    digest.update(np.ascontiguousarray(matrix.data, dtype="<f8").tobytes())
    return digest.hexdigest()
