"""The quickstart: both benchmarks from nothing to a ranked board in a few minutes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import precondbench
from precondbench._internal import make_folder
from precondbench.leaderboard.local.figures import draw_iterations_against_cosine, draw_locality
from precondbench.leaderboard.local.page import Figure, Section, inline_svg, render_page
from precondbench.leaderboard.local.tables import REAL_COLUMNS, Board, real_rows, score_methods
from precondbench.leaderboard.methods.classical import tridiagonal_methods
from precondbench.matrices import LAWS, draw
from precondbench.quality import LocalityProfile, profile_of_factors
from precondbench.shards import write_predictions

MODELS = ("MLP", "MessagePassingMLP")


class Narrator(Protocol):
    """What the quickstart tells whoever watches."""

    def step(self, text: str) -> None:
        """Announce what begins now."""

    def training(self, model: str, epochs: int) -> Any:
        """Return a context manager that yields a callback for ``train(progress=...)``."""

    def scoring(self, done: int, total: int) -> None:
        """Report that every method was scored on a matrix."""


@dataclass(frozen=True)
class QuickstartResult:
    """What the quickstart made.

    Attributes
    ----------
    synthetic : Board
        Models, oracles and classical methods on the uniform test split.
    real_rows : list of tuple
        One row of ``REAL_COLUMNS`` for each matrix of the real sample.
    files : list of pathlib.Path
        Everything written.
    """

    synthetic: Board
    real_rows: list[tuple[Any, ...]]
    files: list[Path]


def run_quickstart(
    out: str | Path,
    narrator: Narrator,
    *,
    epochs: int = 20,
    rounds: int = 4,
    seed: int = 0,
    device: str = "auto",
    root: str | Path | None = None,
) -> QuickstartResult:
    """Build both samples, train two models for a few epochs, score, and write a page.

    Parameters
    ----------
    out : path-like
        Folder for ``board.html``, two figures, and the predictions.
    narrator : Narrator
        Told what happens.
    epochs, rounds, seed, device
        Of the training, see ``TrainingConfiguration``.
    root : path-like, optional
        Cache folder.

    Returns
    -------
    QuickstartResult
        Both tables and the files.

    Raises
    ------
    ConfigurationError
        If a setting of the training is out of range; nothing is written then.
    """
    from precondbench.baselines import TrainingConfiguration, predict, train
    from precondbench.datasets import SuiteSparseInvK, SyntheticTridiag

    # Before anything is made or built: settings that cannot be are refused here.
    configurations = [
        TrainingConfiguration(
            model=name,
            rounds=rounds,
            epochs=epochs,
            seed=seed,
            device=device,  # type: ignore[arg-type]
        )
        for name in MODELS
    ]
    out = Path(out)
    make_folder(out)
    narrator.step("building the synthetic benchmark: 1400 tridiagonal matrices, n = 50")
    sets = {split: SyntheticTridiag(root, split) for split in ("train", "val", "test")}
    test = sets["test"]
    shard = test.shard

    methods: dict[str, tuple[str, Any]] = {}
    files: list[Path] = []
    for configuration in configurations:
        model_name = configuration.model
        narrator.step(f"training {model_name}, {rounds} rounds, {epochs} epochs, seed {seed}")
        with narrator.training(model_name, epochs) as report:
            result = train(sets["train"], sets["val"], configuration, progress=report)
        values = predict(result.model, test)
        path = out / f"predictions-{model_name}.safetensors"
        write_predictions(path, model_name, shard, test.target, {seed: values})
        files.append(path)
        methods[f"{model_name} ({rounds} rounds, {epochs} epochs)"] = ("learned", values)
    for name, function in tridiagonal_methods().items():
        classical = name in {"none", "Jacobi"}
        methods[name] = ("classical" if classical else "oracle", function)
    narrator.step("scoring on the test split: 200 matrices, PCG to 1e-8")
    board = score_methods(
        "SyntheticTridiag, uniform, test", test, methods, progress=narrator.scoring
    )

    narrator.step("building the real sample: 13 SuiteSparse matrices from formulas")
    real: list[tuple[Any, ...]] = []
    for split in ("train", "val", "test"):
        real += real_rows(SuiteSparseInvK(root, split, version="sample"))

    narrator.step("drawing and writing the board")
    figures = [out / "locality.svg", out / "iterations-against-cosine.svg"]
    draw_locality(locality_of_laws(), figures[0])
    draw_iterations_against_cosine(board, figures[1])
    page = out / "board.html"
    render_page(
        page,
        "precondbench quickstart",
        _sections(board, real, figures),
        f"precondbench {precondbench.__version__}; data digest {shard.content_digest[:16]}; "
        f"made by: precondbench quickstart --epochs {epochs} --rounds {rounds} --seed {seed}",
    )
    return QuickstartResult(board, real, [page, *figures, *files])


def locality_of_laws(n: int = 50) -> dict[str, LocalityProfile]:
    """How far a change of A_11 reaches, for four laws: L of A against L of A + e_1 e_1^T."""
    profiles = {}
    for name in ("local", "uniform", "growth", "hard"):
        sample = draw(LAWS["cholesky"][name], n, 0)
        profiles[name] = profile_of_factors(sample.literal, sample.modified)
    return profiles


def _sections(board: Board, real: list[tuple[Any, ...]], figures: list[Path]) -> list[Section]:
    return [
        Section(
            "Synthetic: tridiagonal matrices with exact factors (uniform, n = 50, test)",
            "Ranked by mean PCG iterations to a relative residual of 1e-8. An oracle knows the "
            "algorithm; a k-hop oracle sees k rows back. Effective hops: the k whose oracle "
            "needs as many iterations. A few epochs are no verdict on a model.",
            board.headings(),
            board.rows(),
            [
                Figure(
                    inline_svg(figures[1]),
                    "Cosine close to 1 is not yet a good preconditioner: iterations against it.",
                ),
                Figure(
                    inline_svg(figures[0]),
                    "How far a change of the first entry of A reaches into its factor.",
                ),
            ],
        ),
        Section(
            "Real: SuiteSparse matrices that formulas reproduce",
            "PCG iterations by preconditioner, on the system scaled by powers of two. A word in "
            "place of a number says how the method failed.",
            REAL_COLUMNS,
            real,
        ),
    ]
