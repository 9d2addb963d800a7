"""Inv-K of a matrix: the method is chosen, the result checked, its accuracy reported."""

from __future__ import annotations

import os
import time
import warnings
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench._internal import whole_number
from precondbench.errors import AccuracyWarning, BreakdownError
from precondbench.factors.cholesky.extended import (
    DOUBTFUL,
    decide_definiteness,
    rounding_bound,
)
from precondbench.factors.cholesky.simplicial import factorise, scale_symmetrically, solve_ldl
from precondbench.factors.cholesky.supernodal import factorise_blocks, solve_blocks
from precondbench.factors.inv_k.columns import invk_values, supernodal_invk_values
from precondbench.factors.inv_k.extended import entry_error, extended_invk_values
from precondbench.factors.inverse.accuracy import PROBES, Probe, identity_residual, probe_inverse
from precondbench.factors.inverse.extended import extended_inverse
from precondbench.factors.inverse.plan import InversionPlan, plan_inversion
from precondbench.factors.inverse.simplicial import invert_factor
from precondbench.factors.inverse.supernodal import invert_blocks
from precondbench.factors.patterns.triangular import LowerPattern, matrix_and_pattern
from precondbench.factors.symbolic.supernodes import find_supernodes
from precondbench.factors.symbolic.tree import analyse
from precondbench.matrices import power_of_two_scaling

# Above this error a warning is given.
INACCURATE = 1e-4


@dataclass(frozen=True)
class Inversion:
    """Inv-K values by one method, in the pattern's CSR order.

    ``residual`` is that of ``identity_residual``, ``bound`` that of ``rounding_bound``, ``entries``
    how many numbers the factor and then the selected inverse occupied, ``probe`` the reference
    blocks, if wanted.
    """

    method: str
    values: NDArray[np.float64]
    residual: float
    bound: float
    entries: int
    probe: Probe | None

    @property
    def error(self) -> float:
        """What is known of the largest relative error: the larger of residual and bound."""
        return float(np.fmax(self.residual, self.bound))


def invert(
    matrix: csr_array,
    pattern: LowerPattern,
    plan: InversionPlan,
    method: str,
    workers: int = 1,
    probes: int = 0,
) -> Inversion:
    """Inv-K by one method in the order of a plan."""
    probe = None
    if method == "simplicial":
        symbolic = analyse(plan.graph, plan.position)
        lower, pivots = factorise(matrix, symbolic)
        if probes:
            probe = probe_inverse(
                matrix, pattern, partial(solve_ldl, symbolic, lower, pivots), probes
            )
        simplicial = invert_factor(symbolic, lower, pivots)
        residual = identity_residual(matrix, simplicial)
        bound = rounding_bound(matrix, simplicial.diagonal[simplicial.position])
        values = invk_values(simplicial, pattern, workers)
        return Inversion(method, values, residual, bound, simplicial.nnz, probe)
    supernodes = find_supernodes(plan.graph, plan.position)
    factor = factorise_blocks(matrix, supernodes, workers)
    if probes:
        probe = probe_inverse(matrix, pattern, partial(solve_blocks, factor), probes)
    blocks = invert_blocks(factor, workers)
    residual = identity_residual(matrix, blocks)
    bound = rounding_bound(matrix, blocks.diagonal)
    values = supernodal_invk_values(blocks, pattern, workers)
    return Inversion(method, values, residual, bound, supernodes.entries, probe)


def invert_guarded(
    matrix: csr_array,
    pattern: LowerPattern,
    plan: InversionPlan,
    workers: int = 1,
    probes: int = 0,
) -> tuple[Inversion, bool]:
    """Inv-K by the plan's method, and by the other one if the first broke down or is inaccurate.

    Returns the more accurate result, and whether the other method was tried. BreakdownError if
    both break down.
    """
    other = "simplicial" if plan.method == "supernodal" else "supernodal"
    try:
        first = invert(matrix, pattern, plan, plan.method, workers, probes)
    except BreakdownError as error:
        try:
            return invert(matrix, pattern, plan, other, workers, probes), True
        except BreakdownError:
            raise error from None
    if first.residual <= DOUBTFUL:
        return first, False
    try:
        second = invert(matrix, pattern, plan, other, workers, probes)
    except BreakdownError:
        return first, True
    return min(first, second, key=lambda one: one.residual), True


@dataclass(frozen=True)
class InvKReport:
    """An Inv-K factor, how it was computed, and how accurate it is.

    Attributes
    ----------
    factor : scipy.sparse.csr_array
        L.
    method : {"simplicial", "supernodal", "extended"}
        How it was computed; "extended" is the simplicial method with 32 digits, taken where A is
        positive definite and double precision breaks down.
    ordering : {"minimum-degree", "metis", "natural"}
        Order of elimination inside the computation.
    doubtful : bool
        Whether the method chosen first broke down or had a residual above 1e-6, so that the
        other one was tried; the more accurate result was taken.
    residual : float
        Largest |(A Z)_ii - 1| over all rows, Z the selected inverse. It may round to 0 where Z has
        no correct digit; ``error`` does not. NaN where ``method`` is "extended".
    error : float
        Largest relative error of an entry of L. Entries below 1e-3 of the largest in their column,
        A being scaled by powers of two to a diagonal of order one, are judged relative to that. If
        the bound 16 eps ||H|| trace(H^-1), H being A scaled to a unit diagonal, or the residual
        exceeds 1e-6, and the work allows it, L is computed again with 32 digits and this is the
        difference; else it is the larger of the two.
    diagonal_error : float
        Largest |(L^T A^-1 L)_ii - 1| over some columns, with columns of A^-1 from separate
        solves, refined to full precision. NaN if ``probes`` is 0; infinity if the refinement
        did not converge.
    probes : int
        Number of those columns.
    entries : int
        Numbers that factor and selected inverse occupied, at 8 bytes.
    seconds : float
        Elapsed time.
    """

    factor: csr_array
    method: str
    ordering: str
    doubtful: bool
    residual: float
    error: float
    diagonal_error: float
    probes: int
    entries: int
    seconds: float


def cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def invk_report(
    A: Any,
    pattern: Any = None,
    *,
    method: str = "auto",
    ordering: str = "auto",
    workers: int | None = None,
    probes: int = PROBES,
) -> InvKReport:
    """Inv-K like :func:`invk`, with the method used and the accuracy of the result.

    Parameters
    ----------
    A, pattern, method, ordering, workers
        As for :func:`invk`.
    probes : int
        Columns for which diag(L^T A^-1 L) = 1 is checked by solves, a few for each row of such
        a column; 0 for no check.

    Returns
    -------
    InvKReport
        The factor and the figures about it.

    Raises
    ------
    MatrixError, ConfigurationError, BreakdownError
        As :func:`invk`.

    Examples
    --------
    >>> from precondbench.factors import invk_report
    >>> from precondbench.matrices import formula_matrix
    >>> report = invk_report(formula_matrix("HB/gr_30_30"))
    >>> report.method, report.ordering, report.diagonal_error < 1e-14
    ('simplicial', 'minimum-degree', True)
    """
    start = time.perf_counter()
    threads = cores() if workers is None else whole_number("workers", workers, least=1)
    probes = whole_number("probes", probes)
    matrix, wanted = matrix_and_pattern(A, pattern)
    scale = power_of_two_scaling(matrix.diagonal())
    scaled = scale_symmetrically(matrix, scale)
    plan = plan_inversion(scaled, wanted, method, ordering)
    doubtful, cause = False, None
    try:
        if method == "auto":
            inversion, doubtful = invert_guarded(scaled, wanted, plan, threads, probes)
        else:
            inversion = invert(scaled, wanted, plan, method, threads, probes)
        largest_error = inversion.error
    except BreakdownError as breakdown:
        doubtful, cause, largest_error = True, breakdown, float("inf")
    if not largest_error <= DOUBTFUL:
        decide_definiteness(scaled, cause)
        again = extended_inverse(scaled, analyse(plan.graph, plan.position))
        if again is not None:
            exact = extended_invk_values(again, wanted)
            if cause is None:
                largest_error = entry_error(wanted, inversion.values, exact)
            else:
                nan, size = float("nan"), 4 * again.rows.size
                inversion = Inversion("extended", exact, nan, nan, size, None)
                largest_error = float(np.finfo(np.float64).eps)
        elif cause is not None:
            raise cause
    if not largest_error <= INACCURATE:
        warnings.warn(
            f"Inv-K has few correct digits: an entry has a relative error of about "
            f"{largest_error:.1e}, the matrix is too ill-conditioned for double precision",
            AccuracyWarning,
            stacklevel=3,
        )
    values = inversion.values
    probe = inversion.probe
    error = float("nan") if probe is None else probe.diagonal_error(wanted, values)
    values /= np.repeat(scale, np.diff(wanted.indptr))
    return InvKReport(
        factor=wanted.csr(values),
        method=inversion.method,
        ordering=plan.ordering,
        doubtful=doubtful,
        residual=inversion.residual,
        error=largest_error,
        diagonal_error=error,
        probes=0 if probe is None else int(probe.columns.size),
        entries=inversion.entries,
        seconds=time.perf_counter() - start,
    )


def invk(
    A: Any,
    pattern: Any = None,
    *,
    method: str = "auto",
    ordering: str = "auto",
    workers: int | None = None,
) -> csr_array:
    r"""Inv-K factor of a symmetric positive definite matrix on a lower-triangular pattern.

    Column i of L is v / sqrt(v_1) with v = (A^-1)[s_i, s_i]^-1 e_1, where s_i are the rows of
    column i of the pattern (Algorithm 1 of the paper). L minimises
    K(L^T A^-1 L) = (trace / n) / det^{1/n} over all factors of that pattern (Kaporin 1994),
    exists for every SPD matrix, and satisfies diag(L^T A^-1 L) = 1.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n), any sparse format or dense.
    pattern : sparse array or array_like, optional
        Lower-triangular pattern with the whole diagonal; stored entries count. By default
        the lower triangle of A.
    method : {"auto", "simplicial", "supernodal"}
        How entries of A^-1 are computed. ``simplicial`` gives the same bits on every machine;
        published labels use it. ``supernodal`` works on dense blocks through BLAS: much faster on
        large problems, equal up to rounding. ``auto`` chooses by the predicted work, checks the
        result and tries the other method if the result is inaccurate.
    ordering : {"auto", "minimum-degree", "metis", "natural"}
        Order of elimination inside the computation; the pattern keeps the order of A.
        ``auto``: minimum degree, or for large problems METIS where pymetis is installed and its
        order means less work.
    workers : int, optional
        Threads, by default one a core; the simplicial result does not depend on it.

    Returns
    -------
    scipy.sparse.csr_array
        L, lower triangular, float64, shape (n, n), columns sorted (diagonal last in a row).

    Raises
    ------
    MatrixError
        If A or the pattern cannot be used.
    ConfigurationError
        If a method or ordering does not exist or is not installed.
    BreakdownError
        If A is not positive definite; carries the column.

    Warns
    -----
    AccuracyWarning
        If the result has fewer than about four correct digits, see ``error`` of
        :class:`InvKReport`.

    Notes
    -----
    No inverse is formed: only the entries of A^-1 between rows that share a column are
    needed, and selected inversion gives them (see docs/mathematics.md). The matrix is scaled
    by powers of two to a diagonal of order one first, so ``invk(D A D) = D invk(A)`` to the
    bit when D holds powers of two.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench import invk
    >>> A = np.array([[4.0, -1, 0], [-1, 4, -1], [0, -1, 4]])
    >>> L = invk(A)
    >>> np.allclose((L @ L.T).toarray(), A)  # no fill-in: Inv-K is the Cholesky factor
    True
    """
    return invk_report(
        A, pattern, method=method, ordering=ordering, workers=workers, probes=0
    ).factor
