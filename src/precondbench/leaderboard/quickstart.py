"""The quickstart: both benchmarks from nothing to a ranked board in a few minutes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from precondbench._internal import make_folder
from precondbench.leaderboard.entries import Leaderboard
from precondbench.leaderboard.local import local_track
from precondbench.leaderboard.site.pages import render_site
from precondbench.leaderboard.tracks import OpenTrack, TrackName, open_track, track_named
from precondbench.recipes import SUITESPARSE, dataset_spec
from precondbench.shards import write_predictions

TRACK = "synthetic-tridiag-1.0-uniform-test"
MODELS = ("MLP", "MessagePassingMLP")


class Narrator(Protocol):
    """Receiver of the quickstart's progress."""

    def step(self, text: str) -> None:
        """Announce what begins now."""

    def training(self, model: str, epochs: int) -> Any:
        """Return a context manager that yields a callback for ``train(progress=...)``."""

    def scoring(self, done: int, total: int) -> None:
        """Report that every method was scored on a matrix."""


@dataclass(frozen=True)
class QuickstartResult:
    """Leaderboard of both tracks, the site's first page, and every other file written."""

    board: Leaderboard
    page: Path
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
    """Build both samples, train two models for a few epochs, score, and render a board.

    ``board/`` in the folder becomes the site; predictions stand beside it. Settings of the
    training that are out of range raise ConfigurationError before anything is written.
    """
    from precondbench.baselines import TrainingConfiguration, initial_model, predict, train
    from precondbench.datasets import SyntheticTridiag

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

    predicted: dict[str, dict[int | None, Any]] = {}
    starts: dict[str, dict[int | None, Any]] = {}
    about: dict[str, dict[str, Any]] = {}
    files: list[Path] = []
    for configuration in configurations:
        model = configuration.model
        narrator.step(f"training {model}, {rounds} rounds, {epochs} epochs, seed {seed}")
        with narrator.training(model, epochs) as report:
            result = train(sets["train"], sets["val"], configuration, progress=report)
        values = predict(result.model, test)
        path = out / f"predictions-{model}.safetensors"
        write_predictions(path, model, test.shard, test.target, {seed: values})
        files.append(path)
        name = f"{model} ({rounds} rounds, {epochs} epochs)"
        predicted[name] = {seed: values}
        starts[name] = {seed: predict(initial_model(sets["train"], configuration), test)}
        about[name] = {
            "description": "Trained by the quickstart; a few epochs are no verdict on a model.",
            "parameters": result.model.parameter_count(),
            "command": f"precondbench quickstart --epochs {epochs} --rounds {rounds} --seed {seed}",
        }
    narrator.step("scoring on the test split: 200 matrices, PCG to 1e-8")
    track = OpenTrack(track_named(TRACK), [test])
    synthetic = local_track(track, predicted, about, narrator.scoring, starts)

    narrator.step("building and scoring the real sample: 13 SuiteSparse matrices from formulas")
    real = local_track(open_track(sample_track(), root), {}, {}, narrator.scoring)

    narrator.step("rendering the board")
    board = Leaderboard(
        tracks={track.id: track for track, _ in (synthetic, real)},
        entries={track.id: entries for track, entries in (synthetic, real)},
    )
    render_site(board, out / "board")
    return QuickstartResult(board, out / "board" / "index.html", files)


def sample_track() -> TrackName:
    """Return a track of all splits of the real sample."""
    spec = dataset_spec(SUITESPARSE)
    return TrackName(
        SUITESPARSE,
        "sample",
        spec.default_configuration,
        "all",
        spec.labels[0],
        "SuiteSparse, sample: matrices that formulas reproduce",
    )
