"""The process that runs a submission: it confines itself, sets up one matrix, and applies.

Forked by a fresh interpreter, see :mod:`precondbench.leaderboard.running.starter`. What it sends is
checked at the other end.
"""

from __future__ import annotations

import importlib
import os
import pickle
import shutil
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator

from precondbench.factors import fsai, ic0, invk, mic0
from precondbench.leaderboard.running.confinement import confine, end_with_parent, limit
from precondbench.leaderboard.running.wire import HEADER, Kind, arrays_frame, arrays_of, frame
from precondbench.quality import Context
from precondbench.solvers import pcg

# What interpreters and libraries read beside themselves.
_SYSTEM = (
    "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache",
    "/etc/localtime", "/usr/share/zoneinfo", "/dev/urandom", "/dev/zero", "/proc/self",
    "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system/cpu",
)  # fmt: skip


class _Lines:
    """The two pipes to the process that scores."""

    def __init__(self, reading: int, writing: int) -> None:
        self._input: BinaryIO = os.fdopen(reading, "rb")
        self._output: BinaryIO = os.fdopen(writing, "wb")

    def read(self) -> tuple[Kind, bytes]:
        """Return the next frame; ends the process where there is none."""
        header = self._input.read(HEADER.size)
        if len(header) < HEADER.size:
            os._exit(0)
        kind, length = HEADER.unpack(header)
        return Kind(kind), self._input.read(length)

    def write(self, content: bytes) -> None:
        """Send a frame."""
        self._output.write(content)
        self._output.flush()


def serve() -> None:
    """Fork and end processes as :class:`~precondbench.leaderboard.running.starter.Starter` asks."""
    # It ends when the other end of the socket closes; a signal would come with the thread's end.
    line = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    _warm()
    running: dict[int, str] = {}
    line.send(b"ready")
    while True:
        request, pipes, _, _ = socket.recv_fds(line, 4096, 2)
        if not request:
            break
        if pipes:
            answer = os.fork()
            if answer == 0:
                line.close()
                _begin(os.fsdecode(request), *pipes)
            running[answer] = os.fsdecode(request)
            for pipe in pipes:
                os.close(pipe)
        else:
            process = int(request)
            del running[process]
            answer = _end(process)
        line.send(b"%d" % answer)
    for process, folder in running.items():  # Whose scorer is gone.
        _end(process)
        shutil.rmtree(folder, ignore_errors=True)


def _warm() -> None:
    """Load or compile kernels that methods use often: forks have them, and have no cache."""
    A = sp.csr_array(sp.diags_array([-1.0, 4.0, -1.0], offsets=[-1, 0, 1], shape=(9, 9)))
    for method in (ic0, mic0, fsai, invk):
        method(A)
    pcg(A, np.ones(9), ic0(A))


def _end(process: int) -> int:
    """Kill a group; what has ended by itself keeps its status until it is asked for here."""
    for end in (os.killpg, os.kill):  # A group is made by the process, after it has begun.
        with suppress(ProcessLookupError):
            end(process, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _begin(folder: str, reading: int, writing: int) -> NoReturn:
    """Be the process of a submission, from the fork to the end."""
    status = 1
    try:
        os.setsid()
        end_with_parent()
        os.chdir(folder)
        own = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"), folder)
        os.environ.update(own, PRECONDBENCH_CACHE=f"{folder}/cache")
        _run(_Lines(reading, writing))
        status = 0
    finally:
        os._exit(status)


def _run(lines: _Lines) -> None:
    """Take a job, set up, and apply until the other end closes."""
    _, payload = lines.read()
    job = pickle.loads(payload)  # noqa: S301, from the parent
    limit(job["memory"], job["file_size"], job["seconds"])
    if job["confined"]:
        readable = [*_SYSTEM, *job["readable"], *_interpreter()]
        confine([Path(path) for path in readable], Path.cwd())
    try:
        sys.path.insert(0, job["code"])
        A = _matrix(job["matrix"])
        earlier = tuple(map(_matrix, job["earlier"]))
        context = Context(facts=job["facts"], geometry=job["geometry"], earlier=earlier)
        answer, apply = _answer(_set_up(job["entry"], A, context), A.shape)
    except BaseException as error:
        lines.write(frame(Kind.FAILURE, _reason(error, job["code"])))
        return
    lines.write(answer)
    while apply is not None:
        kind, payload = lines.read()
        try:
            lines.write(_applied(apply, arrays_of(kind, payload)[0]))
        except BaseException as error:
            lines.write(frame(Kind.FAILURE, _reason(error, job["code"])))
            return


def _interpreter() -> list[str]:
    return [sys.prefix, sys.base_prefix, *filter(None, sys.path)]


def _matrix(parts: tuple[Any, Any, Any]) -> sp.csr_array:
    data, indices, indptr = parts
    n = indptr.size - 1
    return sp.csr_array((data, indices, indptr), shape=(n, n))


def _set_up(entry: str, A: sp.csr_array, context: Context) -> Any:
    module, _, name = entry.partition(":")
    method = getattr(importlib.import_module(module), name)
    if isinstance(method, type):
        method = method()
    return method.setup(A, context) if hasattr(method, "setup") else method(A)


def _answer(given: Any, shape: tuple[int, int]) -> tuple[bytes, Callable[[Any], Any] | None]:
    """Return the frame for what a method gave, and what is to be applied here."""
    if given is None:
        return frame(Kind.NOTHING), None
    if isinstance(given, LinearOperator) or callable(given):
        linear = isinstance(given, LinearOperator)
        if linear and given.shape != shape:
            raise ValueError(f"the operator has shape {given.shape}, the matrix {shape}")
        entries = getattr(given, "entries", None)
        known = -1 if entries is None else int(entries)
        kind = Kind.OPERATOR if linear else Kind.FUNCTION
        return arrays_frame(kind, [[known]]), given.matvec if linear else given
    if isinstance(given, tuple):
        if len(given) != 2:
            raise ValueError(f"the method returned a tuple of {len(given)}; return (L, U)")
        return arrays_frame(
            Kind.PAIR, [p for factor in given for p in _triplets(factor, shape)]
        ), None
    if sp.issparse(given):
        return arrays_frame(Kind.LOWER, _triplets(given, shape)), None
    if hasattr(given, "detach"):  # A tensor; torch itself is not imported.
        given = given.detach().cpu().numpy()
    array = np.asarray(given, dtype=np.float64)
    if array.ndim == 1:
        return arrays_frame(Kind.VALUES, [array]), None
    return arrays_frame(Kind.LOWER, _triplets(array, shape)), None


def _triplets(matrix: Any, shape: tuple[int, int]) -> tuple[Any, Any, Any]:
    if matrix.shape != shape:
        raise ValueError(f"the method returned shape {matrix.shape}, the matrix has {shape}")
    coo = sp.coo_array(matrix)
    coo.sum_duplicates()
    kept = coo.data != 0
    return coo.row[kept], coo.col[kept], coo.data[kept]


def _applied(apply: Callable[[Any], Any], r: Any) -> bytes:
    size = r.size
    z = np.asarray(apply(r))
    if z.size != size or z.dtype.kind not in "fiu":
        raise ValueError(f"it returned {z.size} numbers of type {z.dtype} for {size}")
    return arrays_frame(Kind.RESULT, [z])


def _reason(error: BaseException, code: str) -> bytes:
    """Describe an error, and where in the submission it was raised."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    for place in reversed(traceback.extract_tb(error.__traceback__)):
        if place.filename.startswith(code + os.sep):
            text += f" (line {place.lineno} of {os.path.relpath(place.filename, code)})"
            break
    return text.encode("utf-8", "replace")[:2000]
