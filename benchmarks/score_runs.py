"""Add the baselines to the leaderboard in the same way as any submission.

    python benchmarks/score_runs.py RUNS --folder leaderboard --submissions FOLDER

RUNS is the folder of `precondbench train`. Every model with runs of three seeds or more (of
``--fewest``; of seed 0 if it is solved for) is packed for each split that is a track, of all
families if it is trained on all, checked and scored, also as it is before training. Submissions
are kept in their folder; weights and their digests go to FOLDER/weights. At the end weights that no
entry states are removed.
"""

from __future__ import annotations

import argparse
import fnmatch
from pathlib import Path
from typing import Any

from precondbench.baselines import RunConfiguration, load_model, model_summary, read_toml
from precondbench.leaderboard import TRACKS, pack_runs
from precondbench.leaderboard.pretrained import prune_weights
from precondbench.leaderboard.submissions.check import score_submissions
from precondbench.recipes import MIXED, open_executor

# Node models of the paper's Graph Network; the others are complete networks.
NODE_MODELS = (
    "MLP",
    "GATv2",
    "GEN",
    "MessagePassingMLP",
    "GraphTransformer",
    "FastGraphTransformer",
    "GlobalGraphTransformer",
)
KNOWING = ("DivisionCell",)
PAPER = "https://arxiv.org/abs/2502.01397"


def first_of(run: Path) -> Path:
    """The folder of a run, or of its first fold."""
    return next(iter(sorted(run.glob("fold-*/"))), run)


def configuration(run: Path) -> RunConfiguration:
    """Settings of a run, or of its first fold."""
    return RunConfiguration.from_mapping(read_toml(first_of(run) / "configuration.toml"))


def description(run: Path) -> dict[str, Any]:
    """Description of a submission of this library."""
    training = configuration(run).training
    said: dict[str, Any] = {"authors": ["precondbench"], "licence": "Apache-2.0"}
    summary = model_summary(training.model)
    if training.model in NODE_MODELS:
        blocks = f"{training.rounds} {'block' if training.rounds == 1 else 'blocks'}"
        summary += (
            f" As node model of a Graph Network of {blocks}, after Trifonov, Muravleva and "
            "Oseledets (2026)."
        )
        said["links"] = {"paper": PAPER}
    if training.model in KNOWING:
        said["method"] = f"{training.model} (knows the algorithm)"
    if training.loss != "negative-cosine":
        summary += f" Loss: {training.loss}."
    if training.scaling != "standardised":
        summary += " Sees A scaled to a unit diagonal."
    return {**said, "description": summary}


def tested(run: Path) -> list[str]:
    """Splits that are tracks: those with predictions, or those of all families."""
    data = configuration(run).data.resolved()
    own = [
        track
        for track in TRACKS
        if (track.dataset, track.version, track.label) == (data.dataset, data.version, data.label)
    ]
    if data.configuration == MIXED:
        return [f"{track.configuration}/{track.split}" for track in own]
    return [
        track.split
        for track in own
        if track.configuration == data.configuration
        and (run / f"predictions-{track.split}.safetensors").is_file()
    ]


def main() -> None:
    """Pack and score."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--folder", type=Path, default=Path("leaderboard"))
    parser.add_argument("--submissions", type=Path, default=Path("submissions"))
    parser.add_argument("--only", default="*", help="Names of data, as a pattern of folders.")
    parser.add_argument("--split", default="*", help="Splits to take, as a pattern of their names.")
    parser.add_argument("--fewest", type=int, default=3, help="Seeds that a row needs.")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    packed = []
    for group in sorted(options.runs.glob(f"{options.only}/*-*")):
        # Predictions come last, those of all folds after the last fold.
        runs = sorted({path.parent for path in group.glob("seed-*/predictions-*.safetensors")})
        if runs and load_model(first_of(runs[0]) / "checkpoint.safetensors").fitted:
            # Every seed gives the same: one row without seeds.
            runs = runs[:1]
        elif len(runs) < options.fewest:
            print(f"{group}: {len(runs)} finished runs, {options.fewest} are needed")
            continue
        said = description(runs[0])
        for split in fnmatch.filter(tested(runs[0]), options.split):
            folder = options.submissions / group.parent.name / group.name / split
            pack_runs(runs, split, folder, said)
            packed.append(folder)
    with open_executor(options.jobs) as executor:
        for entry in score_submissions(packed, options.folder, executor=executor):
            print(f"{entry.track}: {entry.id}", flush=True)
    for path in prune_weights(options.folder):
        print(f"removed {path}, which no entry states")


if __name__ == "__main__":
    main()
