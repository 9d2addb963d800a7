"""Reading a stranger's HDF5 file in a process of its own, with bounded memory and time.

The checks of ``read_predictions`` refuse what they can name. A file made to crash the HDF5
library itself takes down the child only.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from precondbench.errors import PredictionError
from precondbench.shards.predictions import PredictionFile, read_predictions

SECONDS = 120.0
MEMORY = 2**30
_IDENTITY = "identity"


def read_in_quarantine(path: str | Path, entries: int) -> PredictionFile:
    """Read predictions as ``read_predictions`` does, in a process with limits.

    Parameters
    ----------
    path : path-like
        The file.
    entries : int
        How many values each seed must have.

    Raises
    ------
    PredictionError
        If the file is refused, or the process died, ran out of memory or out of time over it.
    """
    path = Path(path).absolute()
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "values.npz"
        command = [sys.executable, "-m", __name__, str(path), str(entries), str(result)]
        try:
            child = subprocess.run(  # noqa: S603
                command, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise PredictionError(
                f"{path} could not be read in {SECONDS:.0f} seconds; distrust it"
            ) from None
        if child.returncode == 1 and child.stdout:
            raise PredictionError(child.stdout.strip())
        if child.returncode != 0:
            raise PredictionError(
                f"{path}: the process that read it died with exit status {child.returncode}; the "
                "file is damaged, or made to do that"
            )
        with np.load(result, allow_pickle=False) as stored:
            seeds = {int(name): stored[name] for name in stored.files if name != _IDENTITY}
            identity = dict(stored[_IDENTITY].tolist())
    return PredictionFile(seeds=seeds, **identity)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Not on Windows; the checks of sizes remain.
        return
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(path: str, entries: str, result: str) -> int:
    """Read a file and write its arrays to another; return an exit status."""
    _limit_memory()
    try:
        found = read_predictions(path, int(entries))
    except PredictionError as error:
        sys.stdout.write(str(error))
        return 1
    except MemoryError:
        sys.stdout.write(f"{path} needs more than {MEMORY} bytes to be read; distrust it")
        return 1
    identity = [
        (key, getattr(found, key))
        for key in (
            "method",
            "dataset",
            "version",
            "configuration",
            "split",
            "content_digest",
            "label",
        )
    ]
    arrays = {str(seed): values for seed, values in found.seeds.items()}
    np.savez(result, **{_IDENTITY: np.array(identity)}, **arrays)  # type: ignore[arg-type]
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
