"""A small dense block: the last row of its inverse Cholesky factor, for Inv-K and FSAI."""

from __future__ import annotations

import numpy as np

from precondbench.factors.jit import kernel

__all__ = ["last_inverse_row"]


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
