"""Results that are kept while there is room for them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

Result = TypeVar("Result")


class Recent(Generic[Result]):
    """The results that were asked for last, as many as have room.

    Parameters
    ----------
    most_bytes : int
        Room for all of them; the last one is kept in any case.
    size : callable
        Bytes of a result, which may grow later.
    """

    def __init__(self, most_bytes: int, size: Callable[[Result], int]) -> None:
        self._most_bytes = most_bytes
        self._size = size
        self._results: OrderedDict[Hashable, Result] = OrderedDict()

    def get(self, key: Hashable, make: Callable[[], Result]) -> Result:
        """Return the result of a key, made if it is not there."""
        results = self._results
        if key not in results:
            results[key] = make()
            while len(results) > 1 and sum(map(self._size, results.values())) > self._most_bytes:
                results.popitem(last=False)
        results.move_to_end(key)
        return results[key]


def digest_of(*arrays: NDArray[Any]) -> bytes:
    """SHA-256 of the bytes of arrays, one after the other."""
    return hashlib.sha256(b"".join(array.tobytes() for array in arrays)).digest()
