"""Random numbers with the same bits on every machine and NumPy version."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class UniformStream:
    """Uniform float64 numbers from the raw output of PCG64.

    NumPy guarantees the raw stream of a bit generator, but not the algorithms of
    ``numpy.random.Generator``. Every digested number is therefore
    ``(x >> 11) * 2**-53`` for a raw 64-bit draw ``x``, an exact multiple of 2**-53.

    Parameters
    ----------
    *entropy : int
        Non-negative integers that name the stream; they go to ``numpy.random.SeedSequence``.

    Examples
    --------
    >>> from precondbench.matrices import UniformStream
    >>> UniformStream(2026).uniform(2)
    array([0.17893481, 0.63991317])
    """

    def __init__(self, *entropy: int) -> None:
        self._bits = np.random.PCG64(list(entropy))

    def uniform(self, size: int, low: float = 0.0, high: float = 1.0) -> NDArray[np.float64]:
        """Draw ``size`` numbers ``low + (high - low) * t``, t uniform on [0, 1)."""
        raw = self._bits.random_raw(size)
        unit = (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53
        if low == 0.0 and high == 1.0:
            return unit
        return low + (high - low) * unit

    def near_normal(self, size: int) -> NDArray[np.float64]:
        """Draw ``size`` numbers of the Irwin-Hall law: the sum of 12 uniform numbers minus 6.

        Mean 0, variance 1, and close to the normal law, yet made by additions in a stated
        order only, where a true normal draw needs log, exp or cos, whose last bits differ
        between builds.
        """
        draws = self.uniform(12 * size).reshape(12, size)
        total: NDArray[np.float64] = draws[0].copy()
        for row in draws[1:]:
            total += row
        total -= 6.0
        return total
