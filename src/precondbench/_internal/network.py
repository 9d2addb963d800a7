"""May the network be used, and how long is a server waited for?"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import Any

SILENCE = 30.0  # seconds without a byte, not of the whole download


class Deadline:
    """Ends a response that takes too long in all: one that trickles is never silent.

    Parameters
    ----------
    seconds : float
        From the beginning of the block.

    Attributes
    ----------
    expired : bool
        Whether it was ended; whoever reads it then meets an error of the connection.

    Examples
    --------
    >>> from precondbench._internal import Deadline
    >>> with Deadline(60.0) as deadline:
    ...     pass  # requests.get(url, hooks={"response": deadline.watch}, stream=True)
    >>> deadline.expired
    False
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.expired = False
        self._responses: list[Any] = []
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()
        for response in self._responses:
            response.close()  # Which pooch does not do where the status is an error.

    def watch(self, response: Any, *_: Any, **__: Any) -> None:
        """Take a response of requests, as its hook of that name does."""
        self._responses.append(response)
        if self.expired:
            self._end()

    def _end(self) -> None:
        self.expired = True
        for response in self._responses:
            # Of urllib3 since 2.3; closing the response would wait for the read that hangs.
            shutdown = getattr(response.raw, "shutdown", None)
            if shutdown is not None:
                with suppress(OSError, RuntimeError, ValueError):  # It has ended by itself.
                    shutdown()


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
