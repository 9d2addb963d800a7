"""Score runs of one seed on a track: what a board, which asks for three, does not take.

    python benchmarks/one_seed.py RUNS --data suitesparse-invk-2.0-tril --json FILE [--jobs 2]

RUNS is the folder of `precondbench train`. Of every model with fewer seeds than a board asks for,
the first seed is scored as a row would be, with the interval over families and the gain over the
untrained start. Results in FILE stay unless the model is scored again.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from precondbench.baselines import RunConfiguration, read_toml, training_command
from precondbench.leaderboard import TRACKS
from precondbench.leaderboard.entries import Track
from precondbench.leaderboard.scoring.ranking import rank_entries
from precondbench.leaderboard.scoring.score import Candidate, predictions_by_seed, score_candidates
from precondbench.leaderboard.submissions.check import entry_id
from precondbench.leaderboard.submissions.predicted import starts_of
from precondbench.leaderboard.submissions.schema import LEARNED_SEEDS
from precondbench.leaderboard.tracks import open_track
from precondbench.quality import values_digest
from precondbench.recipes import open_executor
from precondbench.shards import read_predictions


def facts_of(run: Path) -> dict[str, Any]:
    """What training a run took; lists are by fold."""
    folds = sorted(path.parent for path in run.glob("fold-*/result.json")) or [run]
    results = [json.loads((fold / "result.json").read_text()) for fold in folds]
    environment = json.loads((folds[0] / "environment.json").read_text())
    configuration = RunConfiguration.from_mapping(read_toml(folds[0] / "configuration.toml"))
    whole = replace(configuration, data=replace(configuration.data, fold=None))
    return {
        "method": configuration.training.method,
        "seed": configuration.training.seed,
        "parameters": results[0]["parameters"],
        "epochs": [result["epochs"] for result in results],
        "best_epochs": [result["best_epoch"] for result in results],
        "steps": [result["steps"] for result in results],
        "seconds": round(sum(result["seconds"] for result in results), 1),
        "device": environment["device_name"],
        "torch": environment["torch"],
        "command": training_command(whole),
    }


def main() -> None:
    """Score and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--data", required=True, help="Folder of the runs: data and version.")
    parser.add_argument("--split", default="all")
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    name = next(track for track in TRACKS if track.id == f"{options.data}-{options.split}")
    track = open_track(name)
    (data,) = track.datasets
    facts, candidates = {}, {}
    for group in sorted((options.runs / options.data).iterdir()):
        files = sorted(group.glob(f"seed-*/predictions-{options.split}.safetensors"))
        if not 0 < len(files) < LEARNED_SEEDS:
            continue
        fact = facts_of(files[0].parent)
        predictions = read_predictions(files[0])
        seeds = {
            seed: (given, values_digest(predictions.seeds[seed or 0]))
            for seed, given in predictions_by_seed(predictions, data).items()
        }
        starts = starts_of(fact["command"], [fact["seed"]], track)
        own = {"id": entry_id(fact["method"]), "method": fact["method"], "kind": "learned"}
        content = {**own, "tier": "scored", "description": "One seed.", "authors": []}
        facts[own["id"]], candidates[own["id"]] = fact, Candidate(content, seeds, starts)
    with open_executor(options.jobs) as executor:
        entries = score_candidates(track, candidates, executor=executor)
    rows = json.loads(options.json.read_text())["rows"] if options.json.is_file() else []
    rows = [row for row in rows if entry_id(row["method"]) not in facts]
    for row in rank_entries(Track.model_validate(track.describe()), entries):
        gain = list(row.gain) if row.gain else None
        found = {"area": list(row.interval), "gain": gain, "solved": row.solved.mean}
        rows.append({**facts[row.entry.id], **found})
    content = {"track": name.id, "rows": sorted(rows, key=lambda row: -row["area"][0])}
    options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
