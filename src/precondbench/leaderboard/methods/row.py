"""Rows of the library on boards: a method, what it is called, and the boards it is on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench.factors import minimum_degree, reverse_cuthill_mckee
from precondbench.quality import Context

# Kinds of boards.
TRIL, FILLED, TRIDIAGONAL, FAMILY = "tril", "filled", "tridiagonal", "family"
FOLDS, REORDERED = "folds", "reordered"
LU, TRIDIAGONAL_LU = "lu", "tridiagonal-lu"
HOPS = (0, 1, 2, 4, 8, 16, 32)
MEIJERINK = "Meijerink and van der Vorst, 1977"

Ordering = Callable[[csr_array], NDArray[np.int64]]
# What rows in another order are called, and the order in words.
ORDERS: tuple[tuple[str, str, Ordering], ...] = (
    ("RCM", "reverse Cuthill-McKee order", reverse_cuthill_mckee),
    ("minimum degree", "multiple minimum-degree order (SuperLU)", minimum_degree),
)


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
        Oracles use knowledge that methods do not have, or are exact; they have no rank.
    on : frozenset of str
        Boards it is on: ``tril`` and ``filled`` of real SPD matrices with factors on tril(A) or
        on a larger pattern, ``folds`` and ``reordered`` of those in folds, in the order of the
        collection or in another one, ``family`` of parametric families, ``tridiagonal``, ``lu``,
        ``tridiagonal-lu``.
    exact_if_tridiagonal : bool
        Whether it is the exact factor of a tridiagonal matrix, and so an oracle there.
    takes_pattern : bool
        Whether its function has an argument ``pattern``, on filled boards that of the track.
    quick : bool
        Whether it is also on the boards of ``board_of_files`` and the quickstart.
    relaxations : tuple of float
        What its function may be given as ``relaxation``; the best on the validation split of a
        track is taken. Empty where nothing is chosen.
    takes_geometry : bool
        Whether its function has the arguments ``near_null`` and ``unknowns``, which are what the
        context of a matrix says, if it does.
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
    relaxations: tuple[float, ...] = ()
    takes_geometry: bool = False

    def setup(self, A: csr_array, context: Context) -> Any:
        """Return what the function gives for a matrix."""
        near_null = context.geometry.get("near_null")
        if self.takes_geometry and near_null is not None:
            unknowns = int(context.facts.get("unknowns", 1))
            return self.function(A, near_null=near_null, unknowns=unknowns)
        return self.function(A)

    def relaxed(self, relaxation: float) -> ReferenceMethod:
        """Return the row with one of its relaxations, which its description names."""
        return replace(
            self,
            function=partial(self.function, relaxation=relaxation),
            description=f"{self.description} Here w = {relaxation:g}.",
            relaxations=(),
        )

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
