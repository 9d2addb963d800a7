"""A clean interpreter that forks the processes of submissions, which saves their imports.

It is started anew, so that nothing of this process, such as labels, is in its memory, and runs no
code of a submission itself: each gets a fork of its own.
"""

from __future__ import annotations

import atexit
import os
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import precondbench
from precondbench.errors import RunError

_START = "from precondbench.leaderboard.running.child import serve; serve()"
# Nothing else is passed on: not the names of caches, mirrors or accounts.
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
# Kernels may have to be compiled first.
_SECONDS = 300.0


class Starter:
    """An interpreter of which processes are forked, made by :func:`starter_of`.

    Parameters
    ----------
    python : str
        Its path.

    Raises
    ------
    RunError
        If it cannot be started.
    """

    def __init__(self, python: str) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        self._socket = ours
        try:
            self._process = subprocess.Popen(  # noqa: S603
                [python, "-s", "-P", "-c", _START],
                stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                cwd="/", env=_environment(python), start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            ours.close()
            raise RunError(f"{python} cannot be started ({error.strerror})") from None
        finally:
            theirs.close()
        ours.settimeout(_SECONDS)
        try:
            self._receive()
        except RunError:
            self.close()
            raise RunError(
                f"{python} does not start; it needs precondbench, NumPy and SciPy"
            ) from None

    @property
    def alive(self) -> bool:
        """Whether it answers."""
        return self._process.poll() is None and self._socket.fileno() >= 0

    def fork(self, folder: Path, reading: int, writing: int) -> int:
        """Start a process in a folder, with the ends of two pipes; return its number."""
        with self._lock:
            with suppress(OSError):
                socket.send_fds(self._socket, [os.fsencode(folder)], [reading, writing])
            return int(self._receive())

    def end(self, process: int) -> int:
        """Kill a process and its group; return how it had ended, as ``subprocess`` counts it."""
        with self._lock:
            with suppress(OSError):
                self._socket.send(b"%d" % process)
            return int(self._receive())

    def close(self) -> None:
        """End it, and with it what it has forked."""
        self._socket.close()
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _receive(self) -> bytes:
        try:
            answer = self._socket.recv(64)
        except OSError:
            answer = b""
        if not answer:
            self._socket.close()
            raise RunError("the interpreter that starts processes has ended")
        return answer


_STARTERS: dict[tuple[int, str], Starter] = {}
_STARTING = threading.Lock()


def starter_of(python: str) -> Starter:
    """Return the starter of an interpreter, which lives as long as this process."""
    key = os.getpid(), python
    with _STARTING:
        found = _STARTERS.get(key)
        if found is not None and not found.alive:
            found.close()
            found = None
        if found is None:
            found = _STARTERS[key] = Starter(python)
        return found


@atexit.register
def _end_starters() -> None:
    for (process, _), starter in _STARTERS.items():
        if process == os.getpid():
            starter.close()


def _environment(python: str) -> dict[str, str]:
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    found = {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        **dict.fromkeys(threads, "1"),
        "PRECONDBENCH_OFFLINE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    if python == sys.executable:
        found["PYTHONPATH"] = str(Path(precondbench.__file__).parents[1])
    return found
