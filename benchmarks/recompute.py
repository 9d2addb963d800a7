"""Measure how scores, predictions and trained models move from one processor to another.

    python benchmarks/recompute.py scores predictions --json benchmarks/results/recompute.json
    git archive <commit> leaderboard | tar -x -C FOLDER
    python benchmarks/recompute.py trained --before FOLDER/leaderboard --json ...

Other processors are stood in for by settings that make numba, OpenBLAS, NumPy, ATen, MKL and oneDNN
take the instructions of older ones, each in a process of its own. `scores` computes reference rows
again; `predictions` predicts from the weights of the board, and by the models that training starts
from, and scores what comes out on the right-hand sides of the first predictions and on its own;
`trained` compares the models of the board with entries of protocol 1, which the same commands
gave on another machine (<commit> is 001b8b5). docs/protocol.md states the tolerances that follow.
Results are merged into the JSON file.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from precondbench.baselines import initial_model, predict
from precondbench.leaderboard.entries import weights_path
from precondbench.leaderboard.methods.registry import reference_rows
from precondbench.leaderboard.pretrained import load_weights
from precondbench.leaderboard.submissions.tolerance import (
    OTHER_SIDES,
    SAME_SIDES,
    TRAINED_AGAIN,
    in_band,
)
from precondbench.leaderboard.tracks import TrackName, open_track, track_named
from precondbench.quality import evaluate_many, problem_of, values_digest
from precondbench.shards import file_sha256
from precondbench.solvers import pcg_values

ROOT = Path(__file__).parents[1]
BOARD = ROOT / "leaderboard"
SCORED = (
    track_named("synthetic-tridiag-1.0-twin-test"),
    track_named("synthetic-tridiag-lu-1.0-twin-test"),
    TrackName("suitesparse-invk", "sample", "tril", "all", "best", "Sample"),
)
NO_AVX = "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL"
SCORE_SETTINGS = {
    "numba: generic": {"NUMBA_CPU_NAME": "generic"},
    "OpenBLAS: Nehalem": {"OPENBLAS_CORETYPE": "Nehalem"},
    "OpenBLAS: SkylakeX": {"OPENBLAS_CORETYPE": "SkylakeX"},
    "NumPy: no AVX": {"NPY_DISABLE_CPU_FEATURES": NO_AVX},
}
PREDICT_SETTINGS = {
    "ATen: default": {"ATEN_CPU_CAPABILITY": "default"},
    "ATen: avx2": {"ATEN_CPU_CAPABILITY": "avx2"},
    "MKL: compatible": {"MKL_CBWR": "COMPATIBLE"},
    "MKL: AVX2": {"MKL_CBWR": "AVX2"},
    "oneDNN: SSE41": {"ONEDNN_MAX_CPU_ISA": "SSE41"},
    "two threads": {"PRECONDBENCH_THREADS": "2"},
    "all of these": {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_CBWR": "COMPATIBLE",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "PRECONDBENCH_THREADS": "2",
    },
}


def child(part: str, settings: dict[str, str], *arguments: str) -> Any:
    """What a part of this program computes in a process with other settings."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "found"
        command = [sys.executable, __file__, f"_{part}", *arguments, "--json", str(path)]
        subprocess.run(command, env={**os.environ, **settings}, check=True)
        return pickle.loads(path.read_bytes())


def score_rows(names: list[str]) -> dict[str, Any]:
    """Unrounded outcomes of the reference rows of some tracks, and facts of the tracks."""
    found: dict[str, Any] = {}
    for name in SCORED:
        track = open_track(name)
        # Patches of real matrices take minutes, and are made by the kernels of the other rows.
        rows = reference_rows(name, quick=not name.tridiagonal)
        scored = evaluate_many(track, rows, ladder=track.ladder)
        found |= {f"{name.id}/{key}": one.to_dict() for key, one in scored.items()}
        found[f"{name.id}/track"] = track.describe()
    return found


def leaves(value: Any, name: str = "") -> Any:
    """All plain values of nested containers, with the key they stand under."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, key)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from leaves(inner, name)
    else:
        yield name, value


def relative(one: float, other: float) -> float:
    """Difference over the larger of two numbers."""
    return 0.0 if one == other else abs(one - other) / max(abs(one), abs(other))


def compare_scores() -> dict[str, Any]:
    """By setting and field: values, how many differ, by how much at most."""
    base = list(leaves(child("scores", {})))
    result = {}
    for setting, environment in SCORE_SETTINGS.items():
        again = list(leaves(child("scores", environment)))
        fields: dict[str, dict[str, Any]] = {}
        for (name, one), (_, other) in zip(base, again, strict=True):
            seen = fields.setdefault(name, {"values": 0, "different": 0, "largest": 0.0})
            seen["values"] += 1
            if one != other:
                seen["different"] += 1
                floats = isinstance(one, float) and isinstance(other, float)
                change = relative(one, other) if floats else float("inf")
                seen["largest"] = max(seen["largest"], change)
        result[setting] = {name: seen for name, seen in fields.items() if seen["different"]}
        counted = sum(seen["values"] for seen in fields.values())
        print(f"{setting}: of {counted} values differ {result[setting]}", flush=True)
    return result


def rows_with_weights(track: TrackName) -> list[tuple[str, int, Path]]:
    """Id, seed and file of the first seed of every model with weights on a track."""
    folder = weights_path(BOARD, track, "x", 0).parents[1]
    return [(path.parent.name, 0, path) for path in sorted(folder.glob("*/seed-0.safetensors"))]


def predict_rows(names: list[str]) -> dict[str, Any]:
    """Values of every model with weights, trained and untrained, on some tracks."""
    from precondbench.baselines import TrainingConfiguration
    from precondbench.datasets import DataSelection

    threads = int(os.environ.get("PRECONDBENCH_THREADS", "1"))
    found = {}
    for name in map(track_named, names):
        track = open_track(name)
        (data,) = track.datasets
        selection = DataSelection(
            dataset=name.dataset, configuration=name.configuration, label=name.label
        )
        train_set = selection.open_small("train", None)
        for entry, seed, path in rows_with_weights(name):
            model = load_weights(path, file_sha256(path))
            found[name.id, entry, "trained"] = predict(model, data, threads=threads)
            if not model.fitted:
                settings = TrainingConfiguration(
                    model=model.name,
                    rounds=model.rounds,
                    width=model.width,
                    scaling=model.scaling,
                    seed=seed,
                )
                start = initial_model(train_set, settings)
                found[name.id, entry, "start"] = predict(start, data, threads=threads)
    return found


def compare_predictions(names: list[str]) -> dict[str, Any]:
    """By setting: how values move, and what scores of moved values differ by."""
    base = child("predictions", {}, *names)
    result = {}
    for setting, environment in PREDICT_SETTINGS.items():
        again = child("predictions", environment, *names)
        moved = {
            key: max(
                float(np.linalg.norm(values[m] - again[key][m]) / np.linalg.norm(values[m]))
                for m in values
            )
            for key, values in base.items()
        }
        changed = [key for key, change in moved.items() if change > 0.0]
        found: dict[str, Any] = {
            "rows": len(base),
            "same to the bit": len(base) - len(changed),
            "largest change of a factor": max(moved.values()),
        }
        print(f"{setting}: {found}", flush=True)
        if changed:
            found |= compare_outcomes(base, again, changed)
        result[setting] = found
    return result


def key_of(values: dict[str, Any]) -> str:
    """Digest that predictions bind their right-hand sides to."""
    return values_digest(np.concatenate(list(values.values())))


def compare_outcomes(base: Any, again: Any, changed: list[Any]) -> dict[str, Any]:
    """Score rows whose bits have changed on the old right-hand sides and on their own."""
    rows: dict[str, list[Any]] = {}
    means: dict[str, float] = {}
    for name in sorted({key[0] for key in changed}):
        track = open_track(track_named(name))
        mine = [key for key in changed if key[0] == name]
        methods: dict[str, Any] = {}
        keys = {}
        for key in mine:
            for what, values, bound in (
                ("base", base[key], base[key]),
                ("same sides", again[key], base[key]),
                ("own sides", again[key], again[key]),
            ):
                methods[f"{key[1:]} {what}"] = values
                keys[f"{key[1:]} {what}"] = key_of(bound)
        scored = evaluate_many(track, methods, keys=keys, ladder=track.ladder)
        for key in mine:
            before = scored[f"{key[1:]} base"]
            for what in ("same sides", "own sides"):
                after = scored[f"{key[1:]} {what}"]
                label = f"{key[2]}, {what}"
                rows.setdefault(label, []).extend(zip(before.rows, after.rows, strict=True))
                change = relative(*(np.mean(e.penalised_iterations) for e in (before, after)))
                means[label] = max(means.get(label, 0.0), float(change))
    return {
        label: {
            **distances(pairs, SAME_SIDES if "same" in label else OTHER_SIDES),
            "largest change of a mean": means[label],
        }
        for label, pairs in rows.items()
    }


def distances(pairs: list[Any], band: Any) -> dict[str, float]:
    """How far the outcomes of pairs of rows lie apart, and which share leaves a band."""
    counts = np.array([[row.penalised_iterations for row in pair] for pair in pairs])
    steps = np.abs(counts[:, 0] - counts[:, 1])
    shares = steps / np.max(counts, axis=1)
    floats = {}
    for field in ("n_log_k", "condition"):
        known = [[getattr(row, field) for row in pair] for pair in pairs]
        changes = [relative(*pair) for pair in known if None not in pair]
        floats[f"largest change of {field}"] = max(changes, default=0.0)
    logs = [[row.log10_one_minus_cosine for row in pair] for pair in pairs]
    floats["largest change of 1 - cosine"] = max(
        (relative(10.0**a, 10.0**b) for a, b in logs if None not in (a, b) and max(a, b) > -12),
        default=0.0,
    )
    return {
        "matrices": len(pairs),
        "same iterations": float(np.mean(steps == 0)),
        "more than one step apart": float(np.mean(steps > 1)),
        "most steps apart": int(steps.max()),
        "largest share apart, beyond one step": float(np.max(shares * (steps > 1))),
        "outside the band": float(np.mean([not in_band(*pair, band) for pair in pairs])),
        **floats,
    }


def compare_trained(before: Path) -> list[dict[str, Any]]:
    """Models of the board against those of the same commands on another machine, on side 0."""
    result = []
    for folder in sorted((before / "entries").iterdir()):
        if not folder.name.startswith("synthetic-tridiag-1.0"):
            continue
        track = open_track(track_named(folder.name))
        problems = [problem_of(track.pair(i)) for i in range(len(track))]
        sides = [np.ascontiguousarray(problem.sides()[:, :1]) for problem in problems]
        for path in sorted(folder.glob("*.json")):
            entry = json.loads(path.read_text(encoding="utf-8"))
            means = []
            for seed in entry["seeds"]:
                file = weights_path(BOARD, track.name, entry["id"], seed["seed"] or 0)
                if entry["kind"] != "learned" or not file.is_file():
                    continue
                values = predict(load_weights(file, file_sha256(file)), track.datasets[0])
                now = [
                    pcg_values(
                        problem.matrix, b, problem.pattern, problem.scaled(values[problem.name]),
                        1e-8, 10_000,
                    ).iterations[0]
                    for problem, b in zip(problems, sides, strict=True)
                ]  # fmt: skip
                counts = np.array([seed["iterations"], now])
                steps, larger = np.abs(counts[0] - counts[1]), np.max(counts, axis=0)
                limit = np.maximum(TRAINED_AGAIN.steps, TRAINED_AGAIN.relative * larger)
                means.append(counts.mean(axis=1))
                result.append(
                    {
                        "track": folder.name,
                        "entry": entry["id"],
                        "seed": seed["seed"],
                        "same iterations": float(np.mean(steps == 0)),
                        "outside the band": float(np.mean(steps > limit)),
                        "change of the mean": float(means[-1][1] / means[-1][0] - 1),
                    }
                )
            if means:
                old, new = np.mean(means, axis=0)
                print(f"{folder.name}/{entry['id']}: mean {old:.3f}, now {new:.3f}", flush=True)
    return result


def main() -> None:
    """Run parts and merge what they find into a file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="+")
    parser.add_argument("--tracks", nargs="*", default=["synthetic-tridiag-1.0-uniform-test"])
    parser.add_argument("--before", type=Path)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    first, *rest = options.parts
    inner = {"_scores": score_rows, "_predictions": predict_rows}
    if first in inner:
        options.json.write_bytes(pickle.dumps(inner[first](rest)))
        return
    outer = {
        "scores": compare_scores,
        "predictions": lambda: compare_predictions(options.tracks),
        "trained": lambda: compare_trained(options.before),
    }
    for part in options.parts:
        known = json.loads(options.json.read_text("utf-8")) if options.json.exists() else {}
        known[part] = outer[part]()
        options.json.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
