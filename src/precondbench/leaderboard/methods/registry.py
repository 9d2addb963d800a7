"""Rows that the library itself puts on boards, from the modules of this folder."""

from __future__ import annotations

import math
from concurrent.futures import Executor
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from precondbench.factors import DEFAULT_PATTERN
from precondbench.leaderboard.methods.row import (
    FAMILY,
    FILLED,
    FOLDS,
    LU,
    REORDERED,
    TRIDIAGONAL,
    TRIDIAGONAL_LU,
    TRIL,
    ReferenceMethod,
)
from precondbench.leaderboard.tracks import TrackName, open_track
from precondbench.quality import Pair, evaluate_many, is_tridiagonal
from precondbench.recipes import FOLDED_VERSIONS

# A new method is a module with its function and ROWS, and one line here.
_MODULES = (
    "symmetric",
    "modified",
    "operators",
    "general",
)
ROWS: tuple[ReferenceMethod, ...] = tuple(
    row for name in _MODULES for row in import_module(f"{__package__}.{name}").ROWS
)


def reference_rows(track: TrackName, *, quick: bool = False) -> dict[str, ReferenceMethod]:
    """Return the classical methods and oracles of a track by name, or the ``quick`` ones.

    Those that choose a relaxation have not chosen it yet, see :func:`tuned`.
    """
    if track.tridiagonal:
        board = TRIDIAGONAL_LU if track.nonsymmetric else TRIDIAGONAL
    elif track.nonsymmetric:
        board = LU
    elif track.kind == "parametric":
        board = FAMILY
    elif track.version in FOLDED_VERSIONS:
        board = FOLDS if track.configuration == DEFAULT_PATTERN else REORDERED
    else:
        board = FILLED if track.configuration.startswith("level-") else TRIL
    rows = _rows(board, track.configuration, quick)
    # A track of all splits, or of folds, has no validation split of its own.
    choosing = track.split != "all" and board not in (FOLDS, REORDERED)
    return {key: row for key, row in rows.items() if choosing or not row.relaxations}


def tuned(
    method: ReferenceMethod,
    track: TrackName,
    root: str | Path | None = None,
    executor: Executor | None = None,
) -> ReferenceMethod:
    """Return a row with the relaxation that is best on the validation split of a track's data.

    The best has the smallest geometric mean of iterations, failures at the limit, and is the
    first of equals. Rows without a choice are returned as they are.
    """
    if not method.relaxations:
        return method
    rows = {str(value): method.relaxed(value) for value in method.relaxations}
    validation = open_track(replace(track, split="val"), root)
    scored = evaluate_many(validation, rows, log_k=False, executor=executor)
    # Products of integers are exact, so that the choice is the same on every machine.
    products = {
        key: math.prod(max(count, 1) for count in evaluation.penalised_iterations)
        for key, evaluation in scored.items()
    }
    return rows[min(products, key=lambda key: products[key])]


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
