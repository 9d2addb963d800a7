"""How kernels are compiled: a fixed order of operations, the same bits on every CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numba


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a loop with Numba: no reassociation, no fused multiply-add, no BLAS, GIL released.

    ``fastmath`` stays off, so LLVM keeps the order in which the source adds; parallelism comes
    from threads over independent columns, never from splitting a sum.
    """
    compiled = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")(function)
    return cast(Callable[..., Any], compiled)
