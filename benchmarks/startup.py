"""How long commands take that compute nothing: start-up, which every command pays.

    python benchmarks/startup.py [--repeats N] [--json FILE]

Wall time of fresh processes, all commands in turn, after one turn that is not counted; bytecode is
kept between processes, as pip and Python do by default. To be run on a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    'python -c "import numpy, h5py"': [sys.executable, "-c", "import numpy, h5py"],
    **{
        f"precondbench {command}": [sys.executable, "-m", "precondbench", *command.split()]
        for command in ("--help", "list", "info synthetic-tridiag", "score missing.safetensors")
    },
}
# A file that is not there is an error.
FAILS = "missing"


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """Wall time of one process."""
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    taken = time.perf_counter() - start
    if bool(done.returncode) != any(FAILS in word for word in command):
        raise RuntimeError(f"{command} returned {done.returncode}: {done.stderr.decode()}")
    return taken


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment = {**kept, "PYTHONPYCACHEPREFIX": f"{folder}/bytecode"}
        for turn in range(options.repeats + 1):
            for name, command in COMMANDS.items():
                taken = seconds(command, environment)
                if turn:
                    times[name].append(taken)
    rows = [
        {
            "command": name,
            "seconds": statistics.median(found),
            "least": min(found),
            "most": max(found),
        }
        for name, found in times.items()
    ]
    for row in rows:
        print(f"{row['command']}: {row['seconds']:.2f} s, {row['least']:.2f} to {row['most']:.2f}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
