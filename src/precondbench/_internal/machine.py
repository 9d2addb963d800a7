"""The processor: its name, one core of it, and the memory that a piece of work takes."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def processor_name() -> str:
    """Return the name of the processor, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this process, with all its threads, on one core, where the system can."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    # Of several workers each takes another core, as long as there are some.
    cores = sorted(before)
    os.sched_setaffinity(0, {cores[os.getpid() % len(cores)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class PeakMemory:
    """Largest growth of the memory of this process since the object was made; Linux only."""

    def __init__(self) -> None:
        gc.collect()
        if sys.platform == "linux":
            # Freed memory goes back to the system, so that using it again is seen.
            trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
            if trim is not None:
                trim(0)
        try:
            _CLEAR.write_text("5")
            self._before: int | None = _kilobytes("VmRSS")
        except (OSError, ValueError):
            self._before = None

    @property
    def bytes(self) -> int | None:
        """The growth; None where the system does not tell."""
        if self._before is None:
            return None
        return 1024 * max(0, _kilobytes("VmHWM") - self._before)


def _kilobytes(field: str) -> int:
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1])
    raise ValueError(field)
