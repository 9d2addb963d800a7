"""Compilation of numerical kernels with a fixed order of operations."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, update_wrapper
from typing import Any


class Kernel:
    """A function that Numba compiles when it is first called.

    Compiled code may call it, too. Numba is imported only then: that takes as long as to import
    everything else.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.py_func = function
        update_wrapper(self, function)

    @cached_property
    def compiled(self) -> Any:
        """Numba's dispatcher."""
        import numba

        compile_ = numba.njit(cache=True, nogil=True, fastmath=False, error_model="numpy")
        return compile_(self.py_func)

    def __call__(self, *arguments: Any) -> Any:
        """Run the compiled function."""
        return self.compiled(*arguments)

    @property
    def _numba_type_(self) -> Any:
        """Numba asks it of what compiled code refers to."""
        return self.compiled._numba_type_


def kernel(function: Callable[..., Any]) -> Kernel:
    """Compile a loop with Numba so that it gives the same bits on every CPU.

    Without ``fastmath``, LLVM neither reorders sums nor fuses multiply-adds. The GIL is released.
    """
    return Kernel(function)
