"""Compilation of numerical kernels with a fixed order of operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numba


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a loop with Numba so that it gives the same bits on every CPU.

    Without ``fastmath``, LLVM neither reorders sums nor fuses multiply-adds. The GIL is released.
    """
    compiled = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")(function)
    return cast(Callable[..., Any], compiled)
