"""Talk to the process of a submission within limits, and end it with all that it made."""

from __future__ import annotations

import os
import pickle
import select
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from precondbench.errors import ConfigurationError, RunError
from precondbench.leaderboard.running.starter import starter_of
from precondbench.leaderboard.running.wire import HEADER, Kind, frame, text_of

_MIB = 2**20
_CHUNK = 2**16
_LONGEST_FAILURE = 2000


@dataclass(frozen=True)
class Limits:
    """Bounds for the process of a method that is run, one process for each matrix.

    Attributes
    ----------
    setup : float
        Seconds from the start of the process to the preconditioner, imports included.
    solve : float
        Seconds of all applications of an operator or a function to the residuals of one matrix.
    total : float
        Seconds of all matrices together; those that are left then count as failures.
    memory : int
        Bytes of address space.
    file_size : int
        Bytes of a file that the process writes.
    """

    setup: float = 300.0
    solve: float = 600.0
    total: float = 14_400.0
    memory: int = 16 * 1024 * _MIB
    file_size: int = 256 * _MIB

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value < float("inf"):
                raise ConfigurationError(f"the limit {name} is {value}; give a number above 0")


class Process:
    """A process for one matrix, in an empty folder of its own.

    Parameters
    ----------
    python : str
        The interpreter.
    limits : Limits
        Its bounds.
    job : dict
        What the process is to do, from this side.
    deadline : float
        When it is to have set up, on the monotonic clock.
    late : str
        The reason to give if it has not.

    Raises
    ------
    RunError
        If it cannot be started.
    """

    def __init__(
        self, python: str, limits: Limits, job: dict[str, Any], deadline: float, late: str
    ) -> None:
        self._number: int | None = None
        self._starter = starter_of(python)
        self._folder: Path | None = Path(tempfile.mkdtemp(prefix="precondbench-run-")).resolve()
        theirs, self._to = os.pipe()
        self._from, other = os.pipe()
        bounds = {"memory": limits.memory, "file_size": limits.file_size}
        payload = pickle.dumps({**job, **bounds, "seconds": limits.setup + limits.solve})
        try:
            if "weights" in job:
                (self._folder / "weights").symlink_to(job["weights"])
            os.set_blocking(self._to, False)
            os.set_blocking(self._from, False)
            self._number = self._starter.fork(self._folder, theirs, other)
        except BaseException:
            self.close()
            raise
        finally:
            os.close(theirs)
            os.close(other)
        self._send(frame(Kind.JOB, payload), deadline, late)

    def exchange(self, content: bytes, deadline: float, late: str, most: int) -> tuple[Kind, bytes]:
        """Send a frame, and return the one that comes back; ends the process on any fault."""
        self._send(content, deadline, late)
        return self.receive(deadline, late, most)

    def receive(self, deadline: float, late: str, most: int) -> tuple[Kind, bytes]:
        """Return the next frame, of at most so many bytes; ends the process on any fault.

        The fault is a RunError: there is no frame in time, it is none, or it says that the method
        failed.
        """
        number, length = HEADER.unpack(self._read(HEADER.size, deadline, late))
        known = {int(kind): kind for kind in Kind if kind not in (Kind.JOB, Kind.RESIDUAL)}
        if number not in known:
            raise self.failure("the process wrote something else than answers to its pipe")
        kind = known[number]
        if length > (_LONGEST_FAILURE if kind is Kind.FAILURE else most):
            raise self.failure(f"the process sent {length} bytes where {most} are the most")
        payload = self._read(length, deadline, late)
        if kind is Kind.FAILURE:
            raise self.failure(text_of(payload))
        return kind, payload

    def close(self) -> int:
        """Kill the process and its group, and remove its folder; return how it ended."""
        if self._folder is None:
            return 0
        status = 0
        if self._number is not None:
            with suppress(RunError):  # Whoever ended the starter has ended this, too.
                status = self._starter.end(self._number)
        os.close(self._to)
        os.close(self._from)
        _remove(self._folder)
        self._folder = None
        return status

    def failure(self, reason: str) -> RunError:
        """End the process, and return the error to raise."""
        self.close()
        return RunError(reason)

    def _send(self, content: bytes, deadline: float, late: str) -> None:
        waiting = memoryview(content)
        while waiting:
            self._wait(self._to, select.POLLOUT, deadline, late)
            try:
                waiting = waiting[os.write(self._to, waiting[:_CHUNK]) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                return  # What it still said, or how it ended, shows when it is read.

    def _read(self, count: int, deadline: float, late: str) -> bytes:
        found = bytearray()
        while len(found) < count:
            self._wait(self._from, select.POLLIN, deadline, late)
            try:
                part = os.read(self._from, min(count - len(found), 16 * _CHUNK))
            except BlockingIOError:
                continue
            if not part:
                raise self._ended()
            found += part
        return bytes(found)

    def _wait(self, pipe: int, event: int, deadline: float, late: str) -> None:
        poll = select.poll()
        poll.register(pipe, event)
        left = deadline - monotonic()
        if left <= 0 or not poll.poll(1000.0 * left):
            raise self.failure(late)

    def _ended(self) -> RunError:
        """End a process that closed its pipe, and say how it had ended."""
        status = self.close()
        if status >= 0:
            return RunError(f"the process ended before its answer, with exit status {status}")
        if status == -signal.SIGKILL:
            return RunError("the process closed its pipe, or was killed")
        return RunError(f"the process was ended by signal {-status}")


def _remove(folder: Path) -> None:
    """Remove a folder, whatever rights and depth its content has."""
    with suppress(OSError, RecursionError):
        shutil.rmtree(folder)
        return
    for words in (["chmod", "-R", "u+rwx"], ["rm", "-rf"]):
        with suppress(OSError):
            subprocess.run([*words, "--", folder], capture_output=True, check=False)  # noqa: S603
