"""Peak memory of this process since a given moment."""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path


def peak_mb() -> float:
    """Largest resident memory since :func:`forget_peak`, or since the start, in MB."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def forget_peak() -> float:
    """Reset the peak to the current memory, where supported (Linux), and return it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return peak_mb()
