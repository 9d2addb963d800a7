"""Examples at the end of ``--help``, one or more for every command."""

from __future__ import annotations

__all__ = ["EXAMPLES", "epilog"]

# Without the name of the program; tests parse each of them.
EXAMPLES: dict[str, tuple[str, ...]] = {
    "quickstart": ("quickstart", "quickstart --epochs 300 --out long-quickstart"),
    "list": ("list", "list suitesparse-invk --json"),
    "info": (
        "info suitesparse-invk",
        "info synthetic-tridiag --config twin --split val",
    ),
    "build": (
        "build synthetic-tridiag --config uniform",
        "build suitesparse-invk --source /data/suitesparse --jobs 8",
        "build suitesparse-invk --config large --source /data/suitesparse --dry-run",
    ),
    "verify": ("verify", "verify synthetic-tridiag --deep"),
    "train": (
        "train synthetic-tridiag --model MessagePassingMLP --rounds 7 --seeds 0,1,2",
        "train suitesparse-invk --model MyModel --import my_model.py --device cuda",
        "train --all --grid runs.toml",
    ),
    "score": ("score runs/synthetic-tridiag-1.0-uniform/MLP-1/seed-0/predictions-test.h5",),
    "results": ("results runs --out results.jsonl",),
    "figures": ("figures --results results.jsonl --out figures",),
    "board": ("board ours/predictions-test.h5 theirs/predictions-test.h5 --out board.html",),
    "submit pack": (
        "submit pack runs/synthetic-tridiag-1.0-twin/MLP-1/seed-0 --author 'A. Author' "
        "--out submission",
        "submit pack --entry my_method.py:factor --dataset suitesparse-invk --kind classical",
    ),
    "submit check": ("submit check submission",),
    "submit schema": ("submit schema",),
    "leaderboard score": ("leaderboard score submission --folder leaderboard",),
    "leaderboard reference": ("leaderboard reference synthetic-tridiag-1.0-uniform-test",),
    "leaderboard check": ("leaderboard check leaderboard/entries/TRACK/mine.json",),
    "leaderboard reproduce": ("leaderboard reproduce leaderboard/entries/TRACK/mine.json",),
    "leaderboard render": ("leaderboard render --folder leaderboard --out site",),
    "factor": ("factor A.mtx", "factor A.mtx.gz --method ic0 --out L.mtx"),
    "download": ("download suitesparse-invk --version 1.0 --split test",),
    "release": ("release published --dataset synthetic-tridiag --base-url https://example.org/pb",),
    "export": ("export suitesparse-invk --version sample --split test --to mtx --out matrices",),
    "cite": ("cite suitesparse-invk",),
    "doctor": ("doctor", "doctor --json"),
}


def epilog(command: str) -> str:
    """Return what stands below the options in the help of a command."""
    # \b keeps Click from joining the lines.
    lines = "\n".join(f"  precondbench {example}" for example in EXAMPLES[command])
    return f"\b\nExamples:\n{lines}"
