"""Permission to use the network, and time limits for servers."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import Any

SILENCE = 30.0  # seconds without a byte, not of the whole download


class Deadline:
    """A time limit for whole responses of ``requests``; its timeout only limits silence.

    Within the block, pass ``hooks={"response": deadline.watch}``. When the time is over,
    ``expired`` is set and the reader of the response gets a connection error.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.expired = False
        self._responses: list[Any] = []
        self._timer = threading.Timer(seconds, self.end)
        self._timer.daemon = True

    def __enter__(self) -> Deadline:
        self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()
        for response in self._responses:
            response.close()  # pooch does not close responses with an error status.

    def watch(self, response: Any, *_: Any, **__: Any) -> None:
        """Register a response; a hook of ``requests``."""
        self._responses.append(response)
        if response.is_redirect:
            response.close()  # requests would read its body, whatever the length of it.
        if self.expired:
            self.end()

    def received(self) -> int:
        """Count the bytes that came so far, of all responses."""
        return sum(response.raw.tell() for response in self._responses)

    def end(self) -> None:
        """End all responses now."""
        self.expired = True
        for response in self._responses:
            # Since urllib3 2.3; closing the response would wait for the blocked read.
            shutdown = getattr(response.raw, "shutdown", None)
            if shutdown is not None:
                with suppress(OSError, RuntimeError, ValueError):  # It is already closed.
                    shutdown()


def offline() -> bool:
    """Whether ``PRECONDBENCH_OFFLINE`` forbids the network.

    It does for every value but an empty one, ``0``, ``false``, ``no`` and ``off``.
    """
    value = os.environ.get("PRECONDBENCH_OFFLINE", "")
    return value.strip().lower() not in {"", "0", "false", "no", "off"}
