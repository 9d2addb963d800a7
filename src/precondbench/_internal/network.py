"""Permission to use the network, and downloads that end.

pooch is imported where it is used.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any

SILENCE = 30.0  # seconds without a byte, not of the whole download
SLOWEST = 16384.0  # bytes a second, on the average, ...
GRACE = 60.0  # ... after these seconds
_CHUNK = 1 << 16
_LOOK = 0.25  # seconds between looks at the pace


class TooLongError(Exception):
    """A server sends, or announces, more bytes than there can be."""


class TooSlowError(Exception):
    """A server does not keep the pace."""


def download(
    url: str,
    handle: IO[bytes],
    limit: int,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write what is at an http(s) address, or at ``doi:...``, to an open file.

    It ends whatever the server does. No more than ``limit`` bytes and a chunk are written, and
    bodies of redirects are not read. The transfer runs in a thread, because nothing has hold of it
    before the headers are complete: a server can send headers without end, and name servers can be
    silent.

    Raises
    ------
    TooLongError, TooSlowError
        If the server sends too much, or falls behind.
    requests.RequestException, AttributeError, KeyError, TypeError, ValueError
        As pooch does: it reads a repository's reply, or a header, without checking it.
    """
    transfer = _Transfer(limit, progress)
    failure: list[BaseException] = []

    def run() -> None:
        try:
            transfer.fetch(url, handle)
        except BaseException as error:  # Raised below.
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    begun = time.monotonic()
    thread.start()
    try:
        while thread.is_alive():
            thread.join(_LOOK)
            seconds = time.monotonic() - begun
            if thread.is_alive() and transfer.received() < (seconds - GRACE) * SLOWEST:
                raise TooSlowError(f"given up after {seconds:.3g} s, it trickles")
    finally:
        transfer.close_responses()
    if failure:
        raise failure[0]


class _Transfer:
    """One download: hooks for ``requests``, and the progress bar that pooch calls."""

    def __init__(self, limit: int, progress: Callable[[int, int], None] | None) -> None:
        self.total = 0  # pooch sets it to what the header announces
        self._limit = limit
        self._progress = progress
        self._done = 0
        self._responses: list[Any] = []

    def fetch(self, url: str, handle: IO[bytes]) -> None:
        import pooch

        kind: Any = pooch.DOIDownloader if url.lower().startswith("doi:") else pooch.HTTPDownloader
        downloader = kind(
            progressbar=self, chunk_size=_CHUNK, timeout=SILENCE, hooks={"response": self._look}
        )
        downloader(url, handle, None)

    def _look(self, response: Any, *_: Any, **__: Any) -> None:
        """Note a response before its body is read; refuse one that announces too much."""
        self._responses.append(response)
        if response.is_redirect:
            response.close()  # requests would read its body, whatever the length of it.
            return
        length = response.headers.get("Content-Length", "")
        known = response.ok and length.isdecimal()
        if known and (len(length) > 18 or int(length) > self._limit + _CHUNK):
            raise TooLongError(f"{length[:30]} of them, more than {self._limit}")

    def received(self) -> int:
        """Count the bytes that came so far."""
        return sum(response.raw.tell() for response in self._responses)

    def close_responses(self) -> None:
        """End all responses: a blocked reader gets an error."""
        for response in self._responses:
            # Since urllib3 2.3; closing the response would wait for the blocked read.
            shutdown = getattr(response.raw, "shutdown", None)
            if shutdown is not None:
                with suppress(OSError, RuntimeError, ValueError):  # It is already closed.
                    shutdown()
            response.close()

    def update(self, step: int) -> None:
        self._done += step
        # pooch counts whole chunks, so the last one may overshoot.
        if self._done >= self._limit + _CHUNK:
            raise TooLongError(f"more than {self._limit} of them")
        if self._progress is not None:
            self._progress(min(self._done, self._limit), self._limit)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        pass


def offline() -> bool:
    """Whether ``PRECONDBENCH_OFFLINE`` forbids the network.

    It does for every value but an empty one, ``0``, ``false``, ``no`` and ``off``.
    """
    value = os.environ.get("PRECONDBENCH_OFFLINE", "")
    return value.strip().lower() not in {"", "0", "false", "no", "off"}
