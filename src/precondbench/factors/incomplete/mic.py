"""MIC(0): incomplete Cholesky that moves what it drops to entries it keeps, to preserve vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench._internal import kernel, real_number
from precondbench.errors import ConfigurationError, MatrixError
from precondbench.factors.incomplete.ic import broken_down, smallest_shift
from precondbench.factors.patterns.triangular import LowerPattern, lower_triangle

# Vectors that are smaller than this beside the largest hold rounding errors only.
_NEGLIGIBLE = 1e-10
# A least-squares problem is solved where its gradient is smaller than this beside the rest.
_EXACT = 1e-14
_HALF = 0.5**0.5
# A row is looked up in a column that is longer than this; shorter ones are walked along.
_LONG = 32


@kernel
def _mic0(colptr, rows, data, whole, indptr, indices, relaxation, v, out):  # type: ignore[no-untyped-def]
    """Columns of L one after the other, left-looking; dropped products are summed by row.

    ``data`` holds tril(A) by columns, or A itself (``whole``); ``out`` becomes L by rows. Entries
    are updated in the order of IC(0), so that relaxation 0 gives its bits. Without ``v`` the vector
    of ones is preserved.
    """
    n = indptr.size - 1
    column = np.empty_like(data)
    # Of each column, the next entry that a row of L needs.
    following = np.empty(n, np.int64)
    # Of row i: the sum of v_j over the products that were dropped at (i, j).
    dropped = np.zeros(n, np.float64)
    for j in range(n):
        last = indptr[j + 1] - 1
        start = colptr[j] + (last - indptr[j] if whole else 0)
        end = colptr[j + 1]
        following[j] = start + 1
        for p in range(start, end):
            column[p] = data[p]
        pivot = column[start]
        total = dropped[j]
        long = end - start > _LONG
        for q in range(indptr[j], last):
            # Unsigned, so that nothing is computed for indices from the end.
            k = np.uint32(indices[q])
            t = following[k]
            following[k] = t + 1
            factor = column[t]
            out[q] = factor
            pivot -= factor * factor
            moved = factor if v is None else factor * v[j]
            lost = 0.0
            s = start + 1
            for u in range(t + 1, colptr[k + np.uint32(1)]):
                i = rows[u]
                if long:
                    s += np.searchsorted(rows[s:end], i)
                while s < end and rows[s] < i:
                    s += 1
                if s < end and rows[s] == i:
                    column[s] -= column[u] * factor
                else:
                    lost += column[u] if v is None else column[u] * v[i]
                    dropped[np.uint32(i)] += column[u] * moved
            total += factor * lost
        pivot -= relaxation * (total if v is None else total / v[j])
        if not (pivot > 0.0 and pivot < np.inf):
            return j
        root = np.sqrt(pivot)
        column[start] = root
        out[last] = root
        for p in range(start + 1, end):
            column[p] /= root
    return -1


@kernel
def _basis(vectors, root, rows, q):  # type: ignore[no-untyped-def]
    """Orthonormal basis of root_i V_i over some rows, into q; how many columns.

    Gram-Schmidt, twice, with pivoting.
    """
    m = rows.size
    k = vectors.shape[1]
    for a in range(m):
        for c in range(k):
            q[a, c] = root[rows[a]] * vectors[rows[a], c]
    largest = 0.0
    for r in range(k):
        best = r
        most = 0.0
        for c in range(r, k):
            square = 0.0
            for a in range(m):
                square += q[a, c] * q[a, c]
            if square > most:
                best = c
                most = square
        largest = max(largest, most)
        if not most > _NEGLIGIBLE * _NEGLIGIBLE * largest:
            return r
        for a in range(m):
            q[a, r], q[a, best] = q[a, best], q[a, r]
        for _ in range(2):
            for b in range(r):
                product = 0.0
                for a in range(m):
                    product += q[a, b] * q[a, r]
                for a in range(m):
                    q[a, r] -= product * q[a, b]
        most = 0.0
        for a in range(m):
            most += q[a, r] * q[a, r]
        norm = np.sqrt(most)
        for a in range(m):
            q[a, r] /= norm
        for c in range(r + 1, k):
            product = 0.0
            for a in range(m):
                product += q[a, r] * q[a, c]
            for a in range(m):
                q[a, c] -= product * q[a, r]
    return k


@kernel
def _gradient(q, rank, first, second, rest, out):  # type: ignore[no-untyped-def]
    """Change of each entry, symmetric with its twin, that lowers the rest; its square sum."""
    square = 0.0
    for p in range(out.size):
        a = first[p]
        b = second[p]
        total = 0.0
        for c in range(rank):
            total += rest[a, c] * q[b, c]
        if a != b:
            for c in range(rank):
                total += rest[b, c] * q[a, c]
            total *= _HALF
        out[p] = total
        square += total * total
    return square


@kernel
def _smallest_change(q, rank, first, second, rest, x):  # type: ignore[no-untyped-def]
    """Symmetric X on given positions, of smallest norm, with X Q = rest in least squares.

    Conjugate gradients for the normal equations from 0, so that the solution is the smallest;
    ``rest`` becomes what remains. Each pair of entries is one unknown, sqrt(2) times either of
    them, and x holds the entries.
    """
    m = rest.shape[0]
    count = x.size
    gradient = np.empty(count, np.float64)
    square = _gradient(q, rank, first, second, rest, gradient)
    direction = gradient.copy()
    for p in range(count):
        x[p] = 0.0
    # Relative to the rest: where no change helps, the gradient holds rounding errors only.
    enough = 0.0
    for a in range(m):
        for c in range(rank):
            enough += rest[a, c] * rest[a, c]
    enough *= _EXACT * _EXACT
    action = np.empty((m, rank), np.float64)
    for _ in range(4 * m * rank + 4):
        if not square > enough:
            break
        action[:] = 0.0
        for p in range(count):
            a = first[p]
            b = second[p]
            if a == b:
                for c in range(rank):
                    action[a, c] += direction[p] * q[a, c]
            else:
                value = _HALF * direction[p]
                for c in range(rank):
                    action[a, c] += value * q[b, c]
                    action[b, c] += value * q[a, c]
        length = 0.0
        for a in range(m):
            for c in range(rank):
                length += action[a, c] * action[a, c]
        if not length > 0.0:
            break
        step = square / length
        for p in range(count):
            x[p] += step * direction[p]
        for a in range(m):
            for c in range(rank):
                rest[a, c] -= step * action[a, c]
        before = square
        square = _gradient(q, rank, first, second, rest, gradient)
        ratio = square / before
        for p in range(count):
            direction[p] = gradient[p] + ratio * direction[p]
    for p in range(count):
        if first[p] != second[p]:
            x[p] *= _HALF


@kernel
def _mic0_vectors(colptr, rows, position, column, relaxation, vectors, out):  # type: ignore[no-untyped-def]
    """Columns of L one after the other, right-looking; each makes up for what it drops.

    ``column`` holds tril(A) by columns and is overwritten, ``out`` becomes L by rows.
    """
    n = colptr.size - 1
    root = np.empty(n, np.float64)
    longest = 0
    for j in range(n):
        root[j] = np.sqrt(column[colptr[j]])
        longest = max(longest, colptr[j + 1] - colptr[j] - 1)
    slot = np.full(n, -1, np.int64)
    scaled = np.empty(longest, np.float64)
    rest = np.empty((longest, vectors.shape[1]), np.float64)
    q = np.empty((longest, vectors.shape[1]), np.float64)
    room = 4 * longest
    first = np.empty(room, np.int64)
    second = np.empty(room, np.int64)
    place = np.empty(room, np.int64)
    x = np.empty(room, np.float64)
    for j in range(n):
        start = colptr[j]
        below = rows[start + 1 : colptr[j + 1]]
        m = below.size
        pivot = column[start]
        if not (pivot > 0.0 and pivot < np.inf):
            return j
        pivot = np.sqrt(pivot)
        out[position[start]] = pivot
        needed = 0
        for s in range(m):
            column[start + 1 + s] /= pivot
            out[position[start + 1 + s]] = column[start + 1 + s]
            scaled[s] = column[start + 1 + s] / root[below[s]]
            slot[below[s]] = s
            needed += colptr[below[s] + 1] - colptr[below[s]]
        if needed > room:
            room = 2 * needed
            first = np.empty(room, np.int64)
            second = np.empty(room, np.int64)
            place = np.empty(room, np.int64)
            x = np.empty(room, np.float64)
        kept = 0
        for t in range(m):
            for p in range(colptr[below[t]], colptr[below[t] + 1]):
                s = slot[rows[p]]
                if s >= 0:
                    first[kept] = s
                    second[kept] = t
                    place[kept] = p
                    kept += 1
                    column[p] -= column[start + 1 + s] * column[start + 1 + t]
        for s in range(m):
            slot[below[s]] = -1
        if 2 * kept == m * (m + 1) or relaxation == 0.0:
            continue
        rank = _basis(vectors, root, below, q)
        rest[:m] = 0.0
        p = 0
        for t in range(m):
            while p < kept and second[p] == t:
                slot[below[first[p]]] = t
                p += 1
            for s in range(t + 1, m):
                # Kept entries of this column of the square are marked by its number.
                if slot[below[s]] != t:
                    product = relaxation * (scaled[s] * scaled[t])
                    for c in range(rank):
                        rest[s, c] -= product * q[t, c]
                        rest[t, c] -= product * q[s, c]
        for s in range(m):
            slot[below[s]] = -1
        _smallest_change(q, rank, first[:kept], second[:kept], rest[:m, :rank], x[:kept])
        for p in range(kept):
            column[place[p]] += x[p] * root[below[first[p]]] * root[below[second[p]]]
    return -1


def mic0_values(
    pattern: LowerPattern,
    a: NDArray[np.float64],
    relaxation: float = 1.0,
    vectors: NDArray[np.float64] | None = None,
    overwrite_a: bool = False,
    plain: csr_array | None = None,
) -> tuple[NDArray[np.float64], int]:
    """MIC(0) from tril(A) on a pattern: values in CSR order, and the column of breakdown or -1.

    ``vectors`` have shape (n, k); none are the vector of ones. ``plain`` is A from
    ``lower_triangle``: columns of tril(A) are then read from rows of A.
    """
    out = a if overwrite_a else np.empty_like(a)
    one = None if vectors is None else vectors[:, 0].copy()
    if vectors is None or (vectors.shape[1] == 1 and np.all(one)):
        given = pattern.columns(a) if plain is None else (plain.indptr, plain.indices, plain.data)
        lower = (pattern.indptr, pattern.indices)
        return out, int(_mic0(*given, plain is not None, *lower, relaxation, one, out))
    colptr, rows, position = pattern.columns()
    column = a[position]
    return out, int(_mic0_vectors(colptr, rows, position, column, relaxation, vectors, out))


def mic0(
    A: Any,
    relaxation: float = 1.0,
    preserve: Any = None,
    pattern: Any = None,
    shift: float = 0.0,
) -> csr_array:
    r"""Modified incomplete Cholesky factor: moves what it drops, so that vectors are preserved.

    Elimination as in IC(0), but every entry of fill-in e at (i, j) outside the pattern, times
    the relaxation w, is added to the diagonal entries of rows i and j: :math:`w e v_j / v_i` and
    :math:`w e v_i / v_j`. With w = 1, :math:`L L^T v = A v`; with the vector of ones, row sums
    are those of A (Gustafsson 1978). With w = 0 it is IC(0), to the bit; between them it is
    relaxed (Axelsson and Lindskog 1986).

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).
    relaxation : float
        w, from 0 to 1.
    preserve : array_like, optional
        The vector v, shape (n,), or several, (n, k), for example the rigid motions of an elastic
        body; by default ones.
    pattern : LowerPattern, sparse array or array_like, optional
        Lower-triangular pattern with the whole diagonal; by default that of tril(A). Entries of A
        outside it are dropped, and are not compensated.
    shift : float
        alpha, at least 0: the factor is that of A + alpha diag(A).

    Returns
    -------
    scipy.sparse.csr_array
        L, lower triangular on the pattern, float64, columns sorted (diagonal last in a row).

    Raises
    ------
    MatrixError
        If A, the pattern or the vectors cannot be used.
    ConfigurationError
        If relaxation or shift are out of range.
    BreakdownError
        If a pivot is not positive; ``column`` is its column.

    Notes
    -----
    Where A is a nonsingular M-matrix and A v >= 0 for the v > 0, pivots are positive for every
    w < 1; for w = 1 if A v > 0, or if every row but the last has a neighbour after it. Otherwise
    MIC(0) may break down where IC(0) does not.

    Diagonal entries cannot preserve several vectors V, or one with zeros. Then, for each column
    k that is eliminated, the entries E that it drops are made up for by a change X of entries
    that are kept, in the rows and columns in which column k has entries: X is symmetric, X V is
    w E V, in the sense of least squares where it cannot be, and of all those
    :math:`\sum X_{ij}^2 / (A_{ii} A_{jj})` is least. Where every column has an X with X V = w E V
    and w = 1, :math:`L L^T V = A V`. What is dropped is made up for at once: left to the
    elimination of its row, it would pile up in the last rows, which break down (MacLachlan,
    Osei-Kuffuor and Saad 2012 discuss one and many vectors, Klockiewicz and Darve 2020 the rigid
    motions). Only the span of V matters.

    For elasticity, preserve the translations, one vector for each component of the displacement;
    with the rotations, or a stiffness that varies by a factor of a thousand, pivots are lost.

    The factor of D A D with the vectors D^-1 V is D L, to the bit for powers of two.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench import ic0, mic0
    >>> from precondbench.matrices import formula_matrix
    >>> A = formula_matrix("HB/gr_30_30")
    >>> L, ones = mic0(A), np.ones(900)
    >>> bool(np.allclose(L @ (L.T @ ones), A @ ones))
    True
    >>> bool(np.array_equal(mic0(A, relaxation=0).data, ic0(A).data))
    True
    """
    wanted, values, plain = lower_triangle(A, pattern)
    alpha = real_number("shift", shift)
    if alpha:
        values[wanted.diagonal] += alpha * values[wanted.diagonal]
        plain = None
    weight, vectors = _relaxation(relaxation), _vectors(preserve, wanted.n)
    factor, column = mic0_values(wanted, values, weight, vectors, overwrite_a=True, plain=plain)
    if column >= 0:
        raise broken_down(
            "MIC(0)",
            column,
            "lower the relaxation, shift the diagonal, reorder, or use invk, which exists for "
            "every SPD matrix",
        )
    return wanted.csr(factor)


def shifted_mic0(
    A: Any, relaxation: float = 1.0, preserve: Any = None, pattern: Any = None
) -> tuple[csr_array, float]:
    """MIC(0) of A + alpha diag(A) with the smallest alpha that succeeds.

    alpha is 0 or the first of 2^-20, 2^-19, ... without a breakdown, as in
    :func:`precondbench.factors.shifted_ic0`.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).
    relaxation : float
        From 0 to 1, as of :func:`precondbench.factors.mic0`.
    preserve : array_like, optional
        One vector, shape (n,), or several, (n, k); by default ones.
    pattern : LowerPattern, sparse array or array_like, optional
        Lower-triangular pattern with the whole diagonal; by default that of tril(A).

    Returns
    -------
    L : scipy.sparse.csr_array
        Lower triangular on the pattern, float64, columns sorted.
    alpha : float
        The shift.

    Raises
    ------
    MatrixError
        If A, the pattern or the vectors cannot be used.
    ConfigurationError
        If the relaxation is out of range.
    BreakdownError
        If no shift up to 2^20 succeeds: A has an entry that is not finite after scaling.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.factors import shifted_mic0
    >>> kershaw = np.array([[3, -2, 0, 2], [-2, 3, -2, 0], [0, -2, 3, -2], [2, 0, -2, 3.0]])
    >>> shifted_mic0(kershaw, 0.5)[1]
    0.0625
    """
    wanted, a, _ = lower_triangle(A, pattern)
    weight, vectors = _relaxation(relaxation), _vectors(preserve, wanted.n)
    return smallest_shift(
        "MIC(0)", wanted, a, lambda values: mic0_values(wanted, values, weight, vectors)
    )


def _relaxation(given: Any) -> float:
    number = real_number("relaxation", given)
    if number > 1.0:
        raise ConfigurationError(f"relaxation is {given!r}; give a number from 0 to 1")
    return number


def _vectors(given: Any, n: int) -> NDArray[np.float64] | None:
    """Check the vectors to preserve and return them as columns."""
    if given is None:
        return None
    vectors = np.array(given, dtype=np.float64, ndmin=1)
    if vectors.ndim == 1:
        vectors = vectors[:, np.newaxis]
    if vectors.ndim != 2 or vectors.shape[0] != n or not 0 < vectors.shape[1] <= n:
        raise MatrixError(
            f"preserve has shape {np.shape(given)}; for {n} rows give one vector, ({n},), or "
            f"several in columns, ({n}, k)"
        )
    if not np.all(np.isfinite(vectors)):
        raise MatrixError(f"preserve has {int(np.sum(~np.isfinite(vectors)))} entries not finite")
    return vectors
