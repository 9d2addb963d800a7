"""Matrices of the SuiteSparse collection that a formula reproduces entry for entry."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import scipy
from numpy.typing import NDArray

from precondbench.errors import ConfigurationError, MatrixError
from precondbench.matrices.checks import check_spd_candidate


def _primes(count: int) -> NDArray[np.int64]:
    bound = max(16, int(count * (np.log(count + 1) + np.log(np.log(count + 2)) + 2)))
    sieve = np.ones(bound, dtype=bool)
    sieve[:2] = False
    for p in range(2, int(bound**0.5) + 1):
        if sieve[p]:
            sieve[p * p :: p] = False
    return np.flatnonzero(sieve)[:count].astype(np.int64)


def trefethen(n: int) -> scipy.sparse.csr_array:
    """``JGD_Trefethen/Trefethen_n``: primes on the diagonal, ones where |i - j| is a power of two.

    N. Trefethen's SIAM 100-digit challenge, problem 7.
    """
    if n < 1:
        raise MatrixError(f"n is {n}; a Trefethen matrix needs n >= 1")
    offsets = [0]
    diagonals: list[NDArray[np.float64]] = [_primes(n).astype(np.float64)]
    step = 1
    while step < n:
        for offset in (-step, step):
            offsets.append(offset)
            diagonals.append(np.ones(n - step))
        step *= 2
    return check_spd_candidate(
        scipy.sparse.diags_array(diagonals, offsets=offsets, shape=(n, n)), f"Trefethen_{n}"
    )


def _without_first_row(matrix: scipy.sparse.csr_array) -> scipy.sparse.csr_array:
    return check_spd_candidate(matrix[1:, 1:], "matrix without its first row")


def grid_9_point(m: int = 30) -> scipy.sparse.csr_array:
    """9 I - kron(T, T) with T = tridiag(1, 1, 1) of size m: ``HB/gr_30_30`` for m = 30."""
    ones = np.ones(m)
    T = scipy.sparse.diags_array([ones[1:], ones, ones[1:]], offsets=[-1, 0, 1], shape=(m, m))
    return check_spd_candidate(
        9.0 * scipy.sparse.eye_array(m * m) - scipy.sparse.kron(T, T), f"gr_{m}_{m}"
    )


def clamped_beam(elements: int) -> scipy.sparse.csr_array:
    """Stiffness matrix of a beam clamped at both ends: ``HB/nos1`` (80) and ``HB/nos2`` (320).

    Length 10, EI = 1e5, EA = 1e4, three unknowns a node (axial, transverse, rotation): block
    tridiagonal with D on and U above the diagonal.
    """
    if elements < 2:
        raise MatrixError(f"elements is {elements}; a clamped beam needs at least 2")
    h = 10.0 / elements
    ei, ea = 1e5, 1e4
    D = np.diag([2 * ea / h, 24 * ei / h**3, 8 * ei / h])
    U = np.array(
        [
            [-ea / h, 0, 0],
            [0, -12 * ei / h**3, 6 * ei / h**2],
            [0, -6 * ei / h**2, 2 * ei / h],
        ]
    )
    m = elements - 1
    S = scipy.sparse.kron(scipy.sparse.eye_array(m, k=1), U)
    A = scipy.sparse.kron(scipy.sparse.eye_array(m), D) + S + S.T
    return check_spd_candidate(A, f"clamped beam of {elements} elements")


def supported_beam(nodes: int, spatial: bool) -> scipy.sparse.csr_array:
    """Stiffness matrix of a beam that is held at both ends, of the Oberwolfach benchmark.

    ``LF10`` and ``LF10000`` bend in one plane, with a deflection and a rotation a node; ``LFAT5``
    and ``LFAT5000`` (``spatial``) also have an axial displacement and a torsion, first and second
    of a node. Both ends keep their rotation only. Length 0.1, EI = 2e11 * 4.909e-14,
    EA = 157,080, GJ = 2e11 / 2.58 * 9.817e-14.
    """
    if nodes < 3:
        raise MatrixError(f"nodes is {nodes}; a beam that is held at both ends needs at least 3")
    h = 0.1 / (nodes - 1)
    # Evaluated in the order that gives the bits of the collection's files.
    c = 2e11 * 4.909e-14 / (h * h * h)
    bend, turn, bow = 12 * c, 6 * h * c, 2 * h * h * c
    D = np.diag([2 * bend, 4 * bow])
    U = np.array([[-bend, turn], [-turn, bow]])
    if spatial:
        axial, torsional = 157080 / h, 2e11 / 2.58 * 9.817e-14 / h
        D = np.diag([2 * axial, 2 * torsional, *np.diag(D)])
        U = scipy.sparse.block_diag([np.diag([-axial, -torsional]), U]).toarray()
    S = scipy.sparse.kron(scipy.sparse.eye_array(nodes, k=1), U)
    A = scipy.sparse.csr_array(scipy.sparse.kron(scipy.sparse.eye_array(nodes), D) + S + S.T)
    size = len(D)
    free = np.r_[size - 1, size : size * (nodes - 1), size * nodes - 1]
    A = A[free][:, free]
    # The ends have one element beside them, the others two.
    A[[0, -1], [0, -1]] = 2 * bow
    return check_spd_candidate(A, f"beam of {nodes} nodes held at both ends")


def smoothed_grid(m: int, centre: float) -> scipy.sparse.csr_array:
    """Nine-point stencil on an m x m grid: the centre, -1/2 at its edges, -1/4 at its corners.

    ``Norris/fv1`` for m = 98 and 3.510152, ``fv2`` for 99 and 3.51005, ``fv3`` for 99 and 3.
    """
    ones = np.ones(m)
    T = scipy.sparse.diags_array([ones[1:], 2 * ones, ones[1:]], offsets=[-1, 0, 1], shape=(m, m))
    off = scipy.sparse.kron(T, T) / 4 - scipy.sparse.eye_array(m * m)
    return check_spd_candidate(
        centre * scipy.sparse.eye_array(m * m) - off, f"smoothed grid of {m} x {m} points"
    )


def bound_constrained(n: int = 50_000) -> scipy.sparse.csr_array:
    """Hessian of the quadratic programme CVXBQP1 of CUTEr: ``GHS_psdef/cvxbqp1`` for n = 50,000.

    Sum over i = 1 to n of i v v^T, plus 0.2 I, where v = e_i + e_j + e_k, j - 1 = (2i - 1) mod n
    and k - 1 = (3i - 1) mod n.
    """
    if n < 1:
        raise MatrixError(f"n is {n}; a quadratic programme needs n >= 1")
    i = np.arange(1, n + 1)
    columns = np.concatenate([i - 1, (2 * i - 1) % n, (3 * i - 1) % n])
    V = scipy.sparse.csr_array((np.ones(3 * n), (np.tile(i - 1, 3), columns)), shape=(n, n))
    weights = scipy.sparse.diags_array(i.astype(np.float64))
    A = V.T @ weights @ V + 0.2 * scipy.sparse.eye_array(n)
    return check_spd_candidate(A, f"bound-constrained programme of size {n}")


def torsion(m: int = 200) -> scipy.sparse.csr_array:
    """Elastic-plastic torsion on an m x m grid: ``GHS_psdef/torsion1`` (= obstclae) for m = 200.

    Weighted graph Laplacian plus 0.2 I; an edge weighs 1 between interior nodes, 1/2 between
    an interior and a boundary node, and is absent between boundary nodes.
    """
    index = np.arange(m * m).reshape(m, m)
    interior = np.zeros((m, m), dtype=bool)
    interior[1:-1, 1:-1] = True
    rows, columns = [], []
    for a, b in ((index[1:, :], index[:-1, :]), (index[:, 1:], index[:, :-1])):
        rows.append(a.ravel())
        columns.append(b.ravel())
    i, j = np.concatenate(rows), np.concatenate(columns)
    weight = 0.5 * (interior.ravel()[i].astype(np.float64) + interior.ravel()[j])
    off = scipy.sparse.coo_array((weight, (i, j)), shape=(m * m, m * m))
    W = scipy.sparse.csr_array(off + off.T)
    degree = np.asarray(W.sum(axis=1)).ravel()
    return check_spd_candidate(
        scipy.sparse.diags_array(degree + 0.2) - W, f"torsion problem on a {m} x {m} grid"
    )


FORMULAS: dict[str, Callable[[], scipy.sparse.csr_array]] = {
    "HB/gr_30_30": grid_9_point,
    "HB/nos1": lambda: clamped_beam(80),
    "HB/nos2": lambda: clamped_beam(320),
    "GHS_psdef/torsion1": torsion,
    "GHS_psdef/obstclae": torsion,
    "Oberwolfach/LF10": lambda: supported_beam(10, spatial=False),
    "Oberwolfach/LF10000": lambda: supported_beam(10_000, spatial=False),
    "Oberwolfach/LFAT5": lambda: supported_beam(5, spatial=True),
    "Oberwolfach/LFAT5000": lambda: supported_beam(5_000, spatial=True),
    "Norris/fv1": lambda: smoothed_grid(98, 3.510152),
    "Norris/fv2": lambda: smoothed_grid(99, 3.51005),
    "Norris/fv3": lambda: smoothed_grid(99, 3.0),
    "GHS_psdef/cvxbqp1": bound_constrained,
    "JGD_BIBD/bibd_81_2": lambda: check_spd_candidate(scipy.sparse.eye_array(3240), "bibd_81_2"),
}

# In the collection; the formula knows every size.
_TREFETHEN_SIZES = "20b 20 150 200b 200 300 500 700 2000 20000b 20000"
FORMULA_NAMES: tuple[str, ...] = (
    *(f"JGD_Trefethen/Trefethen_{size}" for size in _TREFETHEN_SIZES.split()),
    *FORMULAS,
)
_TREFETHEN = re.compile(r"JGD_Trefethen/Trefethen_([1-9][0-9]{0,5})(b?)")


def formula_matrix(name: str) -> scipy.sparse.csr_array:
    """Make a matrix of the collection from its formula.

    Parameters
    ----------
    name : str
        ``group/name``, one of ``FORMULA_NAMES``.

    Returns
    -------
    scipy.sparse.csr_array
        Checked symmetric matrix, equal to the collection's entry for entry.

    Raises
    ------
    ConfigurationError
        If no formula is known for the name.

    Examples
    --------
    >>> from precondbench.matrices import formula_matrix
    >>> formula_matrix("HB/gr_30_30").nnz
    7744
    """
    match = _TREFETHEN.fullmatch(name)
    if match:
        matrix = trefethen(int(match[1]))
        return _without_first_row(matrix) if match[2] else matrix
    if name not in FORMULAS:
        raise ConfigurationError(
            f"no formula is known for {name!r}; there are {', '.join(FORMULA_NAMES)}"
        )
    return FORMULAS[name]()
