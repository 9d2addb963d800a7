"""May the network be used?"""

from __future__ import annotations

import os

__all__ = ["offline"]


def offline() -> bool:
    """Whether ``PRECONDBENCH_OFFLINE`` forbids the network.

    Returns
    -------
    bool
        True for every value but an empty one, ``0``, ``false``, ``no`` and ``off``: a typing
        error must not open a connection.
    """
    value = os.environ.get("PRECONDBENCH_OFFLINE", "")
    return value.strip().lower() not in {"", "0", "false", "no", "off"}
