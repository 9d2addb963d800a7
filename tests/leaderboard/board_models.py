"""Tracks and entries written by hand, without a scorer."""

from __future__ import annotations

from typing import Any

from precondbench.leaderboard.entries import Entry, StoredEvaluation, Track
from precondbench.leaderboard.timing.times import TimedRow, Times

DIGEST = "a" * 64
REAL, SYNTHETIC = "real-1.0-tril-test", "synthetic-1.0-twin-test"


def make_track(targets: list[int], kind: str = "real", **others: Any) -> Track:
    real = kind == "real"
    matrices = [
        {
            "name": f"Group/matrix_{number}" if real else f"{number:03d}",
            "n": 10 * number + 2,
            "nnz": 30 * number + 3,
            "kind": "structural problem" if real else None,
            "family": f"family {number}",
            "condition": 1e4 if real else None,
            "target_iterations": target,
            "density": ["90", "09"] if real else None,
        }
        for number, target in enumerate(targets)
    ]
    content = {
        "format": "precondbench-track",
        "format_version": 2,
        "id": REAL if real else SYNTHETIC,
        "title": "Real ones" if real else "Twins",
        "dataset": "d",
        "version": "1.0",
        "configuration": "c",
        "split": "test",
        "label": "best",
        "content_digest": DIGEST,
        "kind": kind,
        "protocol": {
            "rtol": 1e-8,
            "maxiter": 10_000,
            "version": 2,
            "sides": 4,
            "solver": "PCG" if real else "GMRES(50)",
        },
        "matrices": matrices,
        "ladder": None if real else {"0": 40.0, "1": 20.0, "8": 5.0},
        "ceilings": None if real else {"1": 0.99, "8": 0.999},
    }
    return Track.model_validate(content | others)


def make_seed(
    iterations: list[int | str], seed: int | None = None, **others: Any
) -> StoredEvaluation:
    """Outcomes of a seed; a status in the place of iterations is a failure."""
    status = [i if isinstance(i, str) else "converged" for i in iterations]
    steps = [i if isinstance(i, int) else 10_000 * (i == "iteration-limit") for i in iterations]
    known = [None if s == "invalid" else 1.0 for s in status]
    cosine = [None if s == "invalid" else 0.99 for s in status]
    limits = [i if s == "converged" else 10_000 for i, s in zip(steps, status, strict=True)]
    content = {
        "seed": seed,
        "key": "reference",
        "summary": {"solved": sum(s == "converged" for s in status) / len(status)},
        "status": status,
        "iterations": steps,
        "sides": [[i, i, i, i] for i in limits],
        "residual": [None if s == "invalid" else 1e-9 for s in status],
        "cosine": cosine,
        "log10_one_minus_cosine": [None if c is None else -2.0 for c in cosine],
        "n_log_k": known,
        "condition": known,
        "work": known,
        "reason": {str(i): "no prediction" for i, s in enumerate(status) if s == "invalid"},
    }
    return StoredEvaluation.model_validate(content | others)


def make_entry(
    name: str, *seeds: StoredEvaluation | list[int | str], track: str = REAL, **others: Any
) -> Entry:
    scores = [s if isinstance(s, StoredEvaluation) else make_seed(s) for s in seeds]
    content: dict[str, Any] = {
        "format": "precondbench-entry",
        "format_version": 2,
        "id": name,
        "track": track,
        "content_digest": DIGEST,
        "method": name.upper(),
        "kind": "classical",
        "tier": "reference",
        "form": "factor",
        "description": "A method.",
        "reference": None,
        "authors": ["A. Author"],
        "links": {},
        "licence": None,
        "parameters": None,
        "training": None,
        "hardware": None,
        "seconds": {},
        "command": None,
        "scorer": {"precondbench": "0.2.0", "protocol": 2},
        "predictions": {},
        "weights": {},
        "interval": [0.4, 0.6],
        "gain": None,
        "seeds": [score.model_dump(mode="json") for score in scores],
        "start": [],
    }
    return Entry.model_validate(content | others)


def learned(name: str, *seeds: list[int | str], track: str = REAL, **others: Any) -> Entry:
    """A learned entry with all that authors can say."""
    scores = [make_seed(steps, number) for number, steps in enumerate(seeds)]
    said = {
        "kind": "learned",
        "tier": "scored",
        "description": "First line.\nSecond line.",
        "reference": "Somebody, 2026",
        "links": {"code": "https://example.org/code", "paper": "http://example.org/paper"},
        "licence": "MIT",
        "parameters": 1234,
        "training": "A day.",
        "hardware": "a GPU",
        "seconds": {"training": 60.0},
        "command": "precondbench train synthetic-tridiag",
        "predictions": {str(number): DIGEST for number in range(len(seeds))},
        "weights": {str(number): DIGEST for number in range(len(seeds))},
    }
    return make_entry(name, *scores, track=track, **(said | others))


def measured(problem: str, rows: int, solve: list[float]) -> Times:
    """IC(0), a learned method that is half as fast, and one that fails."""

    def row(method: str, kind: str, factor: float, **more: Any) -> TimedRow:
        times = {"1": [factor * t for t in solve]}
        return TimedRow(
            **{
                "method": method, "kind": kind, "status": "converged", "iterations": 9,
                "setup": [0.0, 0.0], "solve": times, "measured": {"1": 1}, **more,
            }
        )  # fmt: skip

    return Times(
        problem=problem, rows_of_matrix=rows, entries=5 * rows, digest=64 * "0", machine="m",
        system="s", versions={}, date="2026-11-29", repeats=2,
        rows=[
            row("<Net>", "learned", 2.0),
            row("IC(0)", "classical", 1.0, peak_bytes=2**20),
            row("none", "classical", 1.0, status="stagnated", solve={}, measured={}, reason="slow"),
        ],
    )  # fmt: skip
