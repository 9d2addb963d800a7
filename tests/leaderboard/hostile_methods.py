"""Methods that do what they must not, and some that are honest; packed as the code of an entry.

Each function is a case of ``test_running.py``; those that end in ``_operator`` return one. The file
``weights/target`` names what they attack.
"""

import contextlib
import ctypes
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator


def target():
    return Path(Path("weights/target").read_text())


def jacobi(A):
    return sp.diags_array(A.diagonal() ** 0.5)


# -- honest --


def values(A):
    L = sp.csr_array(sp.tril(A, format="csr"), copy=True)
    L.data[:] = 0.0
    L.data[L.indptr[1:] - 1] = A.diagonal() ** 0.5
    return L.data


def pair(A):
    return sp.tril(A) @ sp.diags_array(1 / A.diagonal()), sp.diags_array(A.diagonal())


def threads(A):
    found = []
    thread = threading.Thread(target=lambda: found.append(jacobi(A)))
    thread.start()
    thread.join()
    return found[0]


def scratch(A):
    Path("scratch").write_text("of its own")
    Path("scratch").replace(Path(os.environ["TMPDIR"]) / "other")
    return jacobi(A)


class Told:
    """Tells what it is told, by failing."""

    def setup(self, A, context):
        shapes = {name: vectors.shape for name, vectors in context.geometry.items()}
        steps = [earlier.shape for earlier in context.earlier]
        raise ValueError(f"{context.name!r} {sorted(context.facts)} {shapes} {steps}")


def plain_operator(A):
    inverse = 1 / A.diagonal()
    M = LinearOperator(A.shape, matvec=lambda r: inverse * r, dtype=float)
    M.entries = A.shape[0]
    return M


def function_operator(A):
    return lambda r: r / A.diagonal() * (1 + 0.01 * np.tanh(np.linalg.norm(r)))


# -- time, memory, output --


def loops(A):
    while True:
        pass


def ignores_signals(A):
    for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}:
        signal.signal(number, signal.SIG_IGN)
    time.sleep(60)


def loops_in_the_solve_operator(A):
    return lambda r: loops(A)


def takes_memory_at_once(A):
    return np.ones(2**32)


def takes_memory_by_and_by(A):
    kept = []
    while True:
        kept.append(b"x" * 2**26)


def recurses(A):
    return recurses(A)


def prints_gigabytes(A):
    text = b"x" * 2**20
    for number in (1, 2):
        for _ in range(2**10):
            os.write(number, text)
    return jacobi(A)


def writes_a_large_file(A):
    with Path("large").open("wb") as file:
        while True:
            file.write(b"x" * 2**20)


def makes_deep_folders(A):
    for _ in range(1050):
        Path("d").mkdir()
        os.chdir("d")
    return jacobi(A)


def makes_folders_without_rights(A):
    os.umask(0o777)
    Path("closed").mkdir()
    return jacobi(A)


# -- other processes and files --


def forks(A):
    os.fork()


def starts_a_program(A):
    subprocess.run(["sleep", "60"])


def kills_its_parent(A):
    os.kill(os.getppid(), signal.SIGKILL)


def limits_its_parent(A):
    resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (0, 0))


def leaves_its_group(A):
    os.setpgid(0, os.getppid())


def outlives_its_parent(A):
    if ctypes.CDLL(None, use_errno=True).prctl(1, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def keeps_memory_after_its_end(A):
    if ctypes.CDLL(None, use_errno=True).shmget(1234, 4096, 0o1600) < 0:
        raise OSError(ctypes.get_errno(), "shmget")


def opens_a_connection(A):
    socket.create_connection(("127.0.0.1", 80))


def reads_the_labels(A):
    return target().read_bytes()


def reads_the_labels_through_a_link(A):
    Path("labels").symlink_to(target())
    return Path("labels").read_bytes()


def lists_the_cache(A):
    return list(target().parent.iterdir())


def reads_memory_of_its_parent(A):
    return Path(f"/proc/{os.getppid()}/mem").open("rb").read(1)


def writes_outside(A):
    target().with_name("written").write_text("x")


def overwrites_the_labels(A):
    target().write_text("x")


def removes_the_labels(A):
    target().unlink()


def truncates_the_labels(A):
    os.truncate(target(), 0)


def closes_the_labels(A):
    target().chmod(0)


def ages_the_labels(A):
    os.utime(target(), (0, 0))


def changes_its_own_code(A):
    Path(__file__).write_text("")


# -- the end --


def exits(A):
    sys.exit("enough")


def exits_at_once(A):
    os._exit(3)


def exits_in_the_solve_operator(A):
    return lambda r: os._exit(0)


def faults(A):
    ctypes.string_at(0)


def raises(A):
    raise RuntimeError("no\x1b[31m \u202e" + 10_000 * "x")


def raises_nothing_readable(A):
    class OddError(Exception):
        def __str__(self):
            raise ValueError

    raise OddError


# -- answers --


def pipes():
    return [number for number in range(3, 30) if is_pipe(number)]


def is_pipe(number):
    try:
        return str(Path(f"/proc/self/fd/{number}").readlink()).startswith("pipe:")
    except OSError:
        return False


def send(content):
    for number in pipes():
        with contextlib.suppress(OSError):
            os.write(number, content)
    time.sleep(60)


def writes_garbage(A):
    send(b"\xff" * 1000)


def announces_exabytes(A):
    send(struct.pack("<BQ", 5, 2**62))


def announces_more_than_it_sends(A):
    send(struct.pack("<BQBQ", 5, 1000, ord("d"), 124))


def sends_a_job(A):
    send(struct.pack("<BQ", 1, 4) + b"cos\n")


def sends_entries_outside(A):
    vectors = [struct.pack("<BQ", code, 1) + b"\x7f" * 8 for code in b"qqd"]
    send(struct.pack("<BQ", 6, 51) + b"".join(vectors))


def sends_a_result(A):
    send(struct.pack("<BQBQd", 10, 17, ord("d"), 1, 1.0))


def closes_its_pipes(A):
    for number in pipes():
        os.close(number)
    time.sleep(60)


def returns_nothing(A):
    return None


def returns_text(A):
    return "L"


def returns_nan(A):
    return jacobi(A) * np.nan


def returns_another_shape(A):
    return np.ones(7)


def returns_a_cube(A):
    return np.ones((3, 3, 3))


def returns_a_pair_for_a_symmetric_matrix(A):
    return pair(A)


def returns_an_undeclared_form(A):
    return LinearOperator(A.shape, matvec=lambda r: r, dtype=float)


def returns_another_size_operator(A):
    return LinearOperator((3, 3), matvec=lambda r: r, dtype=float)


def counts_below_zero_operator(A):
    M = LinearOperator(A.shape, matvec=lambda r: r, dtype=float)
    M.entries = -5
    return M


def returns_nan_operator(A):
    return LinearOperator(A.shape, matvec=lambda r: r * np.nan, dtype=float)


def changes_operator(A):
    calls = []

    def apply(r):
        calls.append(r)
        return r * (-1) ** len(calls)

    return LinearOperator(A.shape, matvec=apply, dtype=float)


def shrinks_operator(A):
    calls = []

    def apply(r):
        calls.append(r)
        return r if len(calls) < 3 else r[1:]

    return apply


# -- a cheat --


def knows_its_sides(A):
    """Find the key of the own code, hence the right-hand sides, and answer them with solutions."""
    from scipy.sparse.linalg import spsolve

    from precondbench.leaderboard.running.program import Program, files_digest
    from precondbench.matrices import power_of_two_scaling
    from precondbench.quality import SymmetricProblem

    program = Program(
        entry="hostile_methods:knows_its_sides",
        form="operator",
        python=".".join(map(str, sys.version_info[:2])),
        code=files_digest(Path(__file__).parent, 2**20),
    )
    b = SymmetricProblem(A).sides(program.key(0))
    sides = b / power_of_two_scaling(A.diagonal())[:, None]
    solutions = spsolve(A, sides)

    def apply(r):
        for side, solution in zip(sides.T, solutions.T, strict=True):
            share = (side @ r) / (side @ side)
            if np.allclose(share * side, r):
                return share * solution
        return r

    return apply
