"""Dense kernels for small blocks: BLAS and LAPACK by address, and a Cholesky solve by loops.

Numba's linear algebra allocates its results. The supernodal kernels work in place on blocks of
one long array, so they call the Fortran interfaces of SciPy themselves, with the GIL released.
The addresses are arguments of the kernels and not constants in them: a compiled kernel may be
cached on disk, an address may not.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import get_cython_function_address, intrinsic
from numpy.typing import NDArray
from scipy.linalg import cython_blas

from precondbench._internal import kernel

DGEMM, DSYRK, DTRSM, DPOTRF = range(4)
# Characters that Fortran reads: L N R T.
_L, _N, _R, _T = np.uint8(76), np.uint8(78), np.uint8(82), np.uint8(84)


@cache
def routines() -> NDArray[np.int64]:
    """Addresses of the routines, in the order of the constants above."""
    names = (
        ("blas", "dgemm"),
        ("blas", "dsyrk"),
        ("blas", "dtrsm"),
        ("lapack", "dpotrf"),
    )
    addresses = [
        get_cython_function_address(f"scipy.linalg.cython_{library}", name)
        for library, name in names
    ]
    return np.array(addresses, dtype=np.int64)


@cache
def _thread_setters() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """Get and set the number of threads of SciPy's OpenBLAS; None for another BLAS."""
    try:
        library = ctypes.CDLL(cython_blas.__file__)
    except OSError:
        return None
    for pattern in ("scipy_openblas_{}", "openblas_{}", "scipy_openblas_{}64_", "openblas_{}64_"):
        # A handle finds the symbols of the libraries that its own library was linked to.
        get = getattr(library, pattern.format("get_num_threads"), None)
        put = getattr(library, pattern.format("set_num_threads"), None)
        if get is not None and put is not None:
            return get, put
    return None


class _OneThread:
    """Context with BLAS on one thread: the first user saves the number, the last restores it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._saved = 1

    def __enter__(self) -> None:
        setters = _thread_setters()
        with self._lock:
            if setters is not None and self._users == 0:
                self._saved = setters[0]()
                setters[1](1)
            self._users += 1

    def __exit__(self, *_: object) -> None:
        setters = _thread_setters()
        with self._lock:
            self._users -= 1
            if setters is not None and self._users == 0:
                setters[1](self._saved)


# Threads work on different blocks here; BLAS threads inside them would only wait for each other
# (measured: 10 to 40 times slower on two busy cores), and their number would change roundings.
one_thread = _OneThread()


@intrinsic
def _call(typingctx, address, arguments):  # type: ignore[no-untyped-def]
    """Call a Fortran subroutine: uint64 values are pointers, all others go by reference.

    Integers are passed with 32 bits; the last one is returned (``info``).
    """
    kinds = list(arguments)

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        pointer = ir.IntType(8).as_pointer()
        passed, last = [], None
        for k, kind in enumerate(kinds):
            value = builder.extract_value(values[1], k)
            if kind == types.uint64:
                passed.append(builder.inttoptr(value, pointer))
                continue
            if isinstance(kind, types.Integer) and kind.bitwidth > 8:
                value = context.cast(builder, value, kind, types.int32)
            # One slot a call site, in the entry block: a slot per execution would eat the stack.
            slot = cgutils.alloca_once(builder, value.type)
            builder.store(value, slot)
            if value.type == ir.IntType(32):
                last = slot
            passed.append(builder.bitcast(slot, pointer))
        routine = ir.FunctionType(ir.VoidType(), [pointer] * len(passed))
        builder.call(builder.inttoptr(values[0], routine.as_pointer()), passed)
        return builder.load(last)

    return types.int32(address, arguments), codegen


@kernel
def _at(array, offset):  # type: ignore[no-untyped-def]
    """Address of array[offset] of a float64 array."""
    return np.uint64(array.ctypes.data) + np.uint64(8 * offset)


@kernel
def gemm(at, ta, tb, m, n, k, alpha, a, pa, lda, b, pb, ldb, beta, c, pc, ldc):  # type: ignore[no-untyped-def]
    """C = alpha op(A) op(B) + beta C by columns; ``ta``, ``tb`` say which are transposed."""
    _call(
        at[DGEMM],
        (
            _T if ta else _N, _T if tb else _N, m, n, k, alpha, _at(a, pa), lda,
            _at(b, pb), ldb, beta, _at(c, pc), ldc,
        ),
    )  # fmt: skip


@kernel
def syrk(at, n, k, alpha, a, pa, lda, beta, c, pc, ldc):  # type: ignore[no-untyped-def]
    """Lower triangle of C = alpha A A^T + beta C."""
    _call(at[DSYRK], (_L, _N, n, k, alpha, _at(a, pa), lda, beta, _at(c, pc), ldc))


@kernel
def trsm(at, right, transposed, m, n, a, pa, lda, b, pb, ldb):  # type: ignore[no-untyped-def]
    """B = op(A)^-1 B, or B op(A)^-1 from the right, for a lower triangular A."""
    _call(
        at[DTRSM],
        (
            _R if right else _L, _L, _T if transposed else _N, _N, m, n, 1.0, _at(a, pa), lda,
            _at(b, pb), ldb,
        ),
    )  # fmt: skip


@kernel
def potrf(at, n, a, pa, lda):  # type: ignore[no-untyped-def]
    """Cholesky factor in the lower triangle; returns LAPACK's info."""
    return _call(at[DPOTRF], (_L, n, _at(a, pa), lda, 0))


@kernel
def last_inverse_row(block, m, x):  # type: ignore[no-untyped-def]
    """With block[:m, :m] = R R^T, overwrite x[:m] by R^-T e_last; False if there is no R.

    Only the lower triangle is read; R is left there.
    """
    for r in range(m):
        for c in range(r + 1):
            total = block[r, c]
            for k in range(c):
                total -= block[r, k] * block[c, k]
            if c < r:
                block[r, c] = total / block[c, c]
            else:
                if not (total > 0.0 and total < np.inf):
                    return False
                block[r, r] = np.sqrt(total)
    for c in range(m - 1, -1, -1):
        total = 1.0 if c == m - 1 else 0.0
        for r in range(c + 1, m):
            total -= block[r, c] * x[r]
        x[c] = total / block[c, c]
    return True
