"""Collect the board of real test matrices under protocol 1 from its entries.

    git archive <commit> leaderboard | tar -x -C FOLDER
    python benchmarks/real_board_protocol_1.py FOLDER/leaderboard --json FILE

The commit is one before the entries were scored with four right-hand sides a matrix; the stored
results are those of 0.1.0. Models trained then have no weights in the repository and so no rows on
the board of protocol 2. docs/nonlocal.md shows these results, all with one right-hand side.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

TRACK = "suitesparse-invk-1.0-tril-test"


def board(leaderboard: Path) -> dict[str, Any]:
    """Outcomes of all entries of the track, matrix by matrix."""
    track = json.loads((leaderboard / "tracks" / f"{TRACK}.json").read_text(encoding="utf-8"))
    entries = []
    for path in sorted((leaderboard / "entries" / TRACK).glob("*.json")):
        entry = json.loads(path.read_text(encoding="utf-8"))
        if entry["scorer"]["protocol"] != 1:
            raise SystemExit(f"{path} was scored under protocol {entry['scorer']['protocol']}")
        kept = {key: entry[key] for key in ("id", "method", "kind", "parameters")}
        seeds = [
            {key: seed[key] for key in ("seed", "iterations", "status", "residual")}
            for seed in entry["seeds"]
        ]
        entries.append({**kept, "seeds": seeds})
    names = [matrix["name"] for matrix in track["matrices"]]
    return {"track": TRACK, "protocol": 1, "matrices": names, "entries": entries}


def main() -> None:
    """Write the board, one entry a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("leaderboard", type=Path)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    found = board(options.leaderboard)
    lines = ",\n".join(f"  {json.dumps(entry)}" for entry in found.pop("entries"))
    head = json.dumps(found)[:-1]
    options.json.write_text(f'{head}, "entries": [\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
