"""Files of predictions beside classical methods and oracles, on one board."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import precondbench
from precondbench.errors import PredictionError
from precondbench.leaderboard.local.figures import draw_iterations_against_cosine
from precondbench.leaderboard.local.page import Figure, Section, inline_svg, render_page
from precondbench.leaderboard.local.tables import Board, score_methods
from precondbench.leaderboard.methods.classical import real_methods, tridiagonal_methods
from precondbench.leaderboard.methods.lu import lu_methods
from precondbench.leaderboard.scoring.files import open_predicted
from precondbench.recipes import dataset_spec


def board_of_files(
    paths: Sequence[str | Path],
    root: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Board:
    """Score every seed of some files of predictions, and classical methods, on their split.

    Parameters
    ----------
    paths : sequence of path-like
        Files of ``write_predictions``, all for one split and one label.
    root : path-like, optional
        Cache folder.
    progress : callable, optional
        Called as ``progress(done, total)`` after each matrix.

    Returns
    -------
    Board
        Best first.

    Raises
    ------
    PredictionError
        If there is no file, one is damaged, or they are for different splits or labels.
    """
    if not paths:
        raise PredictionError("there is no file of predictions; name at least one")
    first, data = open_predicted(paths[0], root)
    methods: dict[str, tuple[str, Any]] = {}
    for path in paths:
        predictions, _ = open_predicted(path, root)
        if (predictions.where, predictions.label) != (first.where, first.label):
            raise PredictionError(
                f"{path} is for {predictions.where}, label {predictions.label}; {paths[0]} is for "
                f"{first.where}, label {first.label}. One board compares predictions of one split"
            )
        for seed in sorted(predictions.seeds):
            values = predictions.by_name(seed, data.shard)
            name = f"{predictions.method}, seed {seed}"
            if name in methods:
                raise PredictionError(f"{path} repeats {name!r}; give the methods other names")
            methods[name] = ("learned", {key: values[key] for key in data.names})
    drawn = dataset_spec(first.dataset).tridiagonal
    pair = data.pair(0)
    if not pair.symmetric:
        references = lu_methods(pair.A)
    else:
        references = tridiagonal_methods() if drawn else real_methods()
    for name, function in references.items():
        oracle = drawn and name not in ("none", "Jacobi", "Gauss-Seidel")
        methods[name] = ("oracle" if oracle else "classical", function)
    return score_methods(first.where, data, methods, progress=progress)


def write_board(board: Board, path: str | Path) -> None:
    """Write a board as one HTML page, its figure beside it as SVG.

    Parameters
    ----------
    board : Board
        From :func:`board_of_files`.
    path : path-like
        The page; the figure has its name with the ending ``.svg``.
    """
    path = Path(path)
    figure = path.with_suffix(".svg")
    solver = "PCG" if dataset_spec(board.title.partition("/")[0]).symmetric else "GMRES"
    draw_iterations_against_cosine(board, figure, solver)
    section = Section(
        board.title,
        f"Ranked by mean {solver} iterations to a relative residual of 1e-8; a failure counts "
        "10,000.",
        board.headings(),
        board.rows(),
        [Figure(inline_svg(figure), "Iterations against the distance of the cosine from 1.")],
    )
    render_page(path, "precondbench", [section], f"precondbench {precondbench.__version__}")
