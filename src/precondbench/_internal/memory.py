"""How much memory there is."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil

# Where a container finds its own limits: (limit, used), second and first version of cgroups.
_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)


def available_memory() -> int:
    """Bytes that can be had: of the machine, of the container, of the limits of the process.

    >>> available_memory() > 1e6
    True
    """
    found = [int(psutil.virtual_memory().available)]
    for limit, used in _CGROUPS:
        with suppress(OSError, ValueError):  # not there, or "max"
            found.append(int(Path(limit).read_text()) - int(Path(used).read_text()))
    found += _process_limits()
    return max(min(found), 0)


def _process_limits() -> list[int]:
    try:
        import resource
    except ImportError:  # not on Windows
        return []
    held = psutil.Process().memory_info()
    limits = []
    for kind, taken in ((resource.RLIMIT_AS, held.vms), (resource.RLIMIT_DATA, held.rss)):
        soft, _ = resource.getrlimit(kind)
        if soft != resource.RLIM_INFINITY:
            limits.append(soft - taken)
    return limits
