"""By how much the last fifth of the epochs of runs lowered their best validation loss.

    python benchmarks/late_epochs.py RUNS

RUNS is a folder that `precondbench train --out` wrote. Results go to
benchmarks/results/late_epochs.json, a row for each seed of each model and data.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "late_epochs.json"


def main() -> None:
    """Read the losses of all runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path)
    rows = []
    for path in sorted(parser.parse_args().runs.glob("*/*/seed-*/metrics.jsonl")):
        epochs = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        losses = [epoch["validation_loss"] for epoch in epochs]
        before, best = min(losses[: max(len(losses) * 4 // 5, 1)]), min(losses)
        data, model, seed = path.parts[-4:-1]
        rows.append(
            {
                "data": data,
                "model": model,
                "seed": int(seed.removeprefix("seed-")),
                "epochs": len(losses),
                "best_epoch": losses.index(best) + 1,
                "validation_loss": best,
                "lowered": (before - best) / abs(best),
            }
        )
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    for row in rows:
        print(f"{row['data']}, {row['model']}, seed {row['seed']}: {100 * row['lowered']:.2f} %")


if __name__ == "__main__":
    main()
