"""Rows that the library itself puts on boards: one line each, with the tracks it stands on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

from scipy.sparse import csr_array

from precondbench.factors import (
    gauss_seidel_lu,
    ic0,
    ilu0,
    jacobi_lu,
    minimum_degree,
    reverse_cuthill_mckee,
)
from precondbench.leaderboard.methods.general import (
    identity_lu,
    khop_lu,
    symmetric_gauss_seidel_lu,
)
from precondbench.leaderboard.methods.symmetric import (
    MOST_OPERATIONS,
    factorised_inverse,
    fixed_order_invk,
    ic0_reordered,
    ict_of_equal_memory,
    identity,
    incomplete,
    incomplete_smallest_shift,
    invk_reordered,
    jacobi,
    khop,
    patch_invk,
    symmetric_gauss_seidel,
)
from precondbench.leaderboard.tracks import TrackName
from precondbench.quality import Context, Pair, is_tridiagonal
from precondbench.solvers import exact_cholesky, smoothed_aggregation

TRIL, FILLED, TRIDIAGONAL = "tril", "filled", "tridiagonal"
LU, TRIDIAGONAL_LU = "lu", "tridiagonal-lu"
HOPS = (0, 1, 2, 4, 8, 16, 32)
PATCHES = (1, 3, 5, 7)


@dataclass(frozen=True)
class ReferenceMethod:
    """A classical method or oracle as the boards show it, with the setup of every method.

    Attributes
    ----------
    name : str
        Name on the board. ``{level}`` stands for the level of fill of the track.
    function : callable
        A -> L on the pattern of the track, or (L, U), or a linear operator close to the inverse
        of A; importable by name, so that worker processes can call it.
    description : str
        One or two sentences; ``{level}`` as in the name.
    reference : str or None
        Where it comes from.
    form : {"factor", "operator"}
        What the function returns.
    kind : {"classical", "oracle"}
        Oracles know what no method can know, or are exact; they have no rank.
    on : frozenset of str
        Boards it stands on: ``tril`` and ``filled`` of SPD matrices with factors on tril(A) or on
        a larger pattern, ``tridiagonal``, ``lu``, ``tridiagonal-lu``.
    exact_if_tridiagonal : bool
        Whether it is the exact factor of a tridiagonal matrix: no baseline there, an oracle.
    takes_pattern : bool
        Whether its function has an argument ``pattern``, which on filled boards is that of the
        track.
    quick : bool
        Whether it also stands on boards of one's own, which are to be there in seconds.
    """

    name: str
    function: Callable[..., Any]
    description: str
    reference: str | None = None
    form: Literal["factor", "operator"] = "factor"
    kind: Literal["classical", "oracle"] = "classical"
    on: frozenset[str] = frozenset({TRIL, TRIDIAGONAL})
    exact_if_tridiagonal: bool = False
    takes_pattern: bool = False
    quick: bool = False

    def setup(self, A: csr_array, context: Context) -> Any:
        """Return what the function gives for a matrix."""
        return self.function(A)

    def at(self, board: str, pattern: str) -> ReferenceMethod:
        """Return the row as it stands on a board, its pattern and level filled in."""
        level = pattern.removeprefix("level-")
        row = replace(
            self,
            name=self.name.format(level=level),
            description=self.description.format(level=level),
        )
        if self.takes_pattern and board == FILLED:
            row = replace(row, function=partial(self.function, pattern=pattern))
        if self.exact_if_tridiagonal and board in (TRIDIAGONAL, TRIDIAGONAL_LU):
            exact = f"{row.description} Exact here: a tridiagonal matrix has no fill-in."
            row = replace(row, kind="oracle", description=exact)
        return row


_SPD = frozenset({TRIL, FILLED, TRIDIAGONAL})
_NOT_FILLED = frozenset({TRIL, TRIDIAGONAL})
_FILLED = frozenset({FILLED})
_GENERAL = frozenset({LU, TRIDIAGONAL_LU})
_MEIJERINK = "Meijerink and van der Vorst, 1977"
_KAPORIN = "Kaporin, 1994; Schaefer, Katzfuss and Owhadi, 2021"
_KOLOTILINA = "Kolotilina and Yeremin, 1993"

# A new row is a function, in a module of this folder, and one line here.
ROWS: tuple[ReferenceMethod, ...] = (
    ReferenceMethod("none", identity, "No preconditioner.", on=_SPD, quick=True),
    ReferenceMethod("none", identity_lu, "No preconditioner.", on=_GENERAL, quick=True),
    ReferenceMethod("Jacobi", jacobi, "The diagonal of A.", on=_SPD, quick=True),
    ReferenceMethod("Jacobi", jacobi_lu, "The diagonal of A.", on=_GENERAL, quick=True),
    ReferenceMethod(
        "Gauss-Seidel",
        gauss_seidel_lu,
        "A forward sweep: L U = tril(A), U = diag(A).",
        on=_GENERAL,
        quick=True,
    ),
    ReferenceMethod(
        "symmetric Gauss-Seidel",
        symmetric_gauss_seidel,
        "A forward and a backward sweep, written as the factor (D + E) D^-1/2 for A = E + D + E^T.",
        on=_SPD,
    ),
    ReferenceMethod(
        "symmetric Gauss-Seidel",
        symmetric_gauss_seidel_lu,
        "A forward and a backward sweep, written as I + E D^-1 and D + F for A = E + D + F.",
        on=frozenset({TRIDIAGONAL_LU}),
    ),
    ReferenceMethod(
        "IC(0)",
        ic0,
        "Incomplete Cholesky without fill-in, in the order of the matrix.",
        _MEIJERINK,
        on=_SPD,
        exact_if_tridiagonal=True,
        quick=True,
    ),
    ReferenceMethod(
        "ILU(0)",
        ilu0,
        "Incomplete LU without fill-in, in the order of the matrix.",
        _MEIJERINK,
        on=_GENERAL,
        exact_if_tridiagonal=True,
        quick=True,
    ),
    ReferenceMethod(
        "IC(0), smallest shift",
        incomplete_smallest_shift,
        "IC(0) of A + alpha diag(A); alpha is 0 or the first of 2^-20, 2^-19, ... that works.",
        "Manteuffel, 1980",
        exact_if_tridiagonal=True,
    ),
    ReferenceMethod(
        "IC(0) after RCM",
        partial(ic0_reordered, ordering=reverse_cuthill_mckee),
        "IC(0) in reverse Cuthill-McKee order (SciPy).",
        "Cuthill and McKee, 1969; Duff and Meurant, 1989",
        form="operator",
        exact_if_tridiagonal=True,
    ),
    ReferenceMethod(
        "IC(0) after minimum degree",
        partial(ic0_reordered, ordering=minimum_degree),
        "IC(0) in multiple minimum-degree order (SuperLU).",
        "Liu, 1985; Duff and Meurant, 1989",
        form="operator",
        exact_if_tridiagonal=True,
    ),
    ReferenceMethod(
        "IC({level})",
        incomplete,
        "Incomplete Cholesky with fill-in up to level {level}, in the order of the matrix.",
        "Meijerink and van der Vorst, 1977; Hysom and Pothen, 2002",
        on=_FILLED,
        takes_pattern=True,
    ),
    ReferenceMethod(
        "IC({level}), smallest shift",
        incomplete_smallest_shift,
        "IC({level}) of A + alpha diag(A); alpha is 0 or the first of 2^-20, 2^-19, ... that "
        "works.",
        "Manteuffel, 1980",
        on=_FILLED,
        takes_pattern=True,
    ),
    ReferenceMethod(
        "ICT of equal memory",
        ict_of_equal_memory,
        "Incomplete Cholesky that drops small entries: the smallest tolerance of 1, 1/2, 1/4, "
        "... whose factor exists and has no more entries than that of IC({level}).",
        "Munksgaard, 1980; Saad, 2003",
        form="operator",
        on=_FILLED,
        takes_pattern=True,
    ),
    ReferenceMethod(
        "Inv-K",
        fixed_order_invk,
        "The factor on the pattern of tril(A) with the smallest K-condition number of L^T A^-1 L.",
        _KAPORIN,
        on=_NOT_FILLED,
        exact_if_tridiagonal=True,
        quick=True,
    ),
    ReferenceMethod(
        "Inv-K on tril(A)", fixed_order_invk, "Inv-K without the fill-in.", _KAPORIN, on=_FILLED
    ),
    ReferenceMethod(
        "Inv-K",
        fixed_order_invk,
        "The factor on the pattern of IC({level}) with the smallest K-condition number of "
        "L^T A^-1 L.",
        _KAPORIN,
        on=_FILLED,
        takes_pattern=True,
        quick=True,
    ),
    ReferenceMethod(
        "Inv-K after RCM",
        partial(invk_reordered, ordering=reverse_cuthill_mckee),
        "Inv-K in reverse Cuthill-McKee order (SciPy).",
        "Kaporin, 1994",
        form="operator",
        exact_if_tridiagonal=True,
    ),
    ReferenceMethod(
        "Inv-K after RCM",
        partial(invk_reordered, ordering=reverse_cuthill_mckee),
        "Inv-K in reverse Cuthill-McKee order (SciPy), on the pattern of IC({level}) in that "
        "order.",
        "Kaporin, 1994",
        form="operator",
        on=_FILLED,
        takes_pattern=True,
    ),
    *(
        ReferenceMethod(
            f"local-patch Inv-K, k = {hops}",
            partial(patch_invk, hops=hops),
            f"Inv-K with A replaced, for each column, by its part within {hops} "
            f"{'hop' if hops == 1 else 'hops'} of it: the strongest local baseline. Refused "
            f"beyond {MOST_OPERATIONS:.0e} multiply-adds.",
        )
        for hops in PATCHES
    ),
    ReferenceMethod(
        "FSAI",
        factorised_inverse,
        "Factorised sparse approximate inverse G^T G with G on the pattern of tril(A).",
        _KOLOTILINA,
        form="operator",
    ),
    ReferenceMethod(
        "FSAI",
        factorised_inverse,
        "Factorised sparse approximate inverse G^T G with G on the pattern of IC({level}).",
        _KOLOTILINA,
        form="operator",
        on=_FILLED,
        takes_pattern=True,
    ),
    ReferenceMethod(
        "smoothed-aggregation AMG",
        smoothed_aggregation,
        "One V-cycle with a hierarchy by PyAMG: constant near null space, prolongation smoothed "
        "with row-sum weights, one forward Gauss-Seidel sweep down and one backward up.",
        "Vanek, Mandel and Brezina, 1996; Bell, Olson and Schroder, 2022",
        form="operator",
        on=_SPD,
    ),
    ReferenceMethod(
        "Cholesky",
        exact_cholesky,
        "The exact factor with all its fill-in, in minimum-degree order: a direct solver.",
        form="operator",
        kind="oracle",
        on=_SPD,
    ),
    *(
        ReferenceMethod(
            f"{hops}-hop oracle",
            partial(function, hops=hops),
            f"{what} restarted so many rows back: the best that a window of the rows behind "
            "can do.",
            kind="oracle",
            on=frozenset({board}),
            quick=True,
        )
        for function, what, board in (
            (khop, "Cholesky", TRIDIAGONAL),
            (khop_lu, "Elimination", TRIDIAGONAL_LU),
        )
        for hops in HOPS
    ),
)


def reference_rows(track: TrackName, *, quick: bool = False) -> dict[str, ReferenceMethod]:
    """Return the classical methods and oracles of a track by name.

    Parameters
    ----------
    track : TrackName
        The track.
    quick : bool
        Only those of boards of one's own.

    Examples
    --------
    >>> from precondbench.leaderboard.methods.registry import reference_rows
    >>> from precondbench.leaderboard import track_named
    >>> list(reference_rows(track_named("synthetic-tridiag-lu-1.0-twin-test")))[:4]
    ['none', 'Jacobi', 'Gauss-Seidel', 'symmetric Gauss-Seidel']
    """
    if track.tridiagonal:
        board = TRIDIAGONAL_LU if track.nonsymmetric else TRIDIAGONAL
    elif track.nonsymmetric:
        board = LU
    else:
        board = FILLED if track.configuration.startswith("level-") else TRIL
    return _rows(board, track.configuration, quick)


def classical_methods(pair: Pair) -> dict[str, ReferenceMethod]:
    """Return the methods that a quick look at a matrix, and at others like it, begins with.

    Parameters
    ----------
    pair : Pair
        A matrix with its target. On tridiagonal ones IC(0) and ILU(0) are exact, and there are
        k-hop oracles; their ``kind`` is ``oracle``.

    Returns
    -------
    dict of str to ReferenceMethod
        By name: no preconditioner, Jacobi, incomplete factors, Inv-K, k-hop oracles.

    Examples
    --------
    >>> from precondbench import SyntheticTridiag, evaluate
    >>> from precondbench.leaderboard import classical_methods
    >>> data = SyntheticTridiag(split="test", kind="lu")[:20]
    >>> methods = classical_methods(data.pair(0))
    >>> [evaluate(data, methods[f"{k}-hop oracle"]).summary["solved"] for k in (0, 8)]
    [1.0, 1.0]
    >>> methods["ILU(0)"].kind, methods["Jacobi"].kind
    ('oracle', 'classical')
    """
    tridiagonal = is_tridiagonal(pair.A)
    if pair.symmetric:
        board = TRIDIAGONAL if tridiagonal else TRIL
    else:
        board = TRIDIAGONAL_LU if tridiagonal else LU
    return _rows(board, "", quick=True)


def _rows(board: str, pattern: str, quick: bool) -> dict[str, ReferenceMethod]:
    found = [row.at(board, pattern) for row in ROWS if board in row.on and row.quick >= quick]
    return {row.name: row for row in found}
