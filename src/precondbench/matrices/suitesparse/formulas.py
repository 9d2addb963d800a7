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
