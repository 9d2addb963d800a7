"""Inv-K from patches: every column from the part of A within k hops of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, tril

from precondbench.errors import BreakdownError, CostError, MatrixError
from precondbench.factors.inv_k.columns import invk_values
from precondbench.factors.inv_k.patches import local_columns, patch_costs
from precondbench.factors.inverse.simplicial import selected_inverse
from precondbench.factors.patterns.lower import LowerPattern, lower_pattern
from precondbench.matrices import check_spd_candidate

# Below this, patches that hold a whole component are cheaper than a selected inverse.
_CHEAP = 1e8


def local_invk(
    A: Any, hops: int, *, workers: int = 1, max_operations: float | None = None
) -> csr_array:
    r"""Inv-K computed column by column from patches of A, the strongest local baseline.

    Column i of Inv-K is the first column of the Schur complement of A onto s_i, the rows of
    column i of tril(A), over the root of its first entry. Here A is replaced by A[P, P] with P
    the nodes within ``hops`` edges of s_i in the graph of A. Any algorithm that sees only so
    far, a message-passing network among them, has no more to go by; as ``hops`` grows the
    factor becomes Inv-K. On a tridiagonal matrix it is the k-hop oracle with k = ``hops``.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).
    hops : int
        Reach of the patch, at least 0.
    workers : int
        Threads over columns; the result does not depend on it.
    max_operations : float, optional
        Refuse to take more multiply-add pairs than this, predicted before it starts.

    Returns
    -------
    scipy.sparse.csr_array
        L on the pattern of tril(A), float64, columns sorted (diagonal last in a row).

    Raises
    ------
    MatrixError
        If A cannot be used, or ``hops`` is negative.
    CostError
        If it would take more than ``max_operations``.
    BreakdownError
        If a patch is not positive definite in double precision; carries the column.

    Notes
    -----
    Interiors of patches are ordered by distance, farthest first, and factorised within their
    envelope. Where a patch is a whole component of the graph, the column is that of Inv-K, and
    is taken from it when that is cheaper. Memory is O(nnz) and one patch a thread.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench import invk
    >>> from precondbench.factors import local_invk
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> A = tridiagonal_csr(poisson_1d(20))
    >>> [round(float(abs(local_invk(A, k) - invk(A)).max()), 3) for k in (0, 2, 8, 19)]
    [0.39, 0.13, 0.029, 0.0]
    """
    matrix = check_spd_candidate(A, "A")
    if hops < 0:
        raise MatrixError(f"hops = {hops}; a patch reaches 0 hops or more")
    pattern = lower_pattern(tril(matrix, format="csr"))
    n = pattern.n
    colptr, rows, where = pattern.columns()
    graph = (matrix.indptr, matrix.indices)
    pieces = max(1, workers) * 16 if workers > 1 else 1
    cuts = np.linspace(0, n, pieces + 1).astype(np.int64)

    def costs(piece: int) -> Any:
        return patch_costs(cuts[piece], cuts[piece + 1], colptr, rows, *graph, hops)

    out = np.zeros(pattern.nnz)
    with ThreadPoolExecutor(max(1, workers)) as pool:
        work, whole = map(np.concatenate, zip(*pool.map(costs, range(pieces)), strict=True))
        taken = _take_whole(matrix, pattern, work, whole, out)
        operations = float(np.sum(work[~taken]))
        if max_operations is not None and operations > max_operations:
            raise CostError(
                f"local-patch Inv-K with {hops} hops would take {operations:.1e} multiply-adds, "
                f"more than the {max_operations:.1e} allowed; use fewer hops, or invk"
            )

        def run(piece: int) -> int:
            return int(
                local_columns(
                    cuts[piece],
                    cuts[piece + 1],
                    taken,
                    colptr,
                    rows,
                    where,
                    (*graph, matrix.data, np.empty(0)),
                    hops,
                    out,
                )
            )

        failed = [column for column in pool.map(run, range(pieces)) if column >= 0]
    if failed:
        raise BreakdownError(
            f"local-patch Inv-K broke down at column {failed[0]}: a principal submatrix of A is "
            "not positive definite in double precision",
            failed[0],
        )
    return pattern.csr(out)


def _take_whole(
    matrix: csr_array,
    pattern: LowerPattern,
    work: NDArray[np.float64],
    whole: NDArray[np.bool_],
    out: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Fill columns whose patch is a whole component from Inv-K, if that is worth it."""
    nothing = np.zeros(pattern.n, dtype=np.bool_)
    if float(np.sum(work[whole])) < _CHEAP:
        return nothing
    try:
        values = invk_values(selected_inverse(matrix, pattern), pattern)
    except BreakdownError:
        return nothing
    entries = whole[pattern.indices]
    out[entries] = values[entries]
    return whole
