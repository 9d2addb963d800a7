"""Named bad inputs and faults, and the limits and checks for each of them.

A subject is a list of cases; a case is a name and a function that takes a :class:`Bench`. Every
case runs with a limit of time and of memory, and must leave no temporary file behind. The page
docs/reliability.md counts the cases of this registry.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from precondbench.cli import app

SECONDS = 60.0
BYTES = 2 << 30
LOUDEST = 2000  # characters of a message

SUBJECTS: dict[str, Subject] = {}


class HangError(BaseException):
    """A case took longer than its limit; not an Exception, so that nothing swallows it."""


@dataclass
class Subject:
    """Cases of one kind.

    Attributes
    ----------
    title, tried, outcome : str
        One row of the table of docs/reliability.md.
    cases : dict of str to callable
        By name.
    """

    title: str
    tried: str
    outcome: str
    cases: dict[str, Callable[[Bench], None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.title not in SUBJECTS, self.title
        SUBJECTS[self.title] = self

    def case(self, function: Callable[[Bench], None]) -> Callable[[Bench], None]:
        """Decorate a case, which is named after the function."""
        self.add(function.__name__.replace("_", "-"), function)
        return function

    def add(self, name: str, function: Callable[[Bench], None]) -> None:
        """Add a case under a unique name."""
        assert name not in self.cases, name
        self.cases[name] = function

    def parametrised(self) -> Any:
        """Decorate the one test of the subject: ``def test_x(bench, name): X.run(bench, name)``."""
        return pytest.mark.parametrize("name", self.cases)

    def run(self, bench: Bench, name: str) -> None:
        """Run one case within limits, and check for leftover files."""
        with limited(SECONDS, BYTES):
            self.cases[name](bench)
        bench.check_no_leftovers()


class Bench:
    """A folder for a case, and checks of outcomes."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, request: Any) -> None:
        self.folder = folder
        self.monkeypatch = monkeypatch
        self._request = request

    def fixture(self, name: str) -> Any:
        """Return a fixture by name."""
        return self._request.getfixturevalue(name)

    def file(self, name: str, content: bytes | str) -> Path:
        """Write a file into the folder of the case."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def listing(self, folder: Path | None = None) -> dict[str, bytes | None]:
        """Return names and content of all files below a folder, without locks and notes."""
        folder = folder or self.folder
        return {
            path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
            for path in sorted(folder.rglob("*"))
            if path.suffix not in {".lock", ".verified"}
        }

    def refused(
        self,
        kind: type[BaseException],
        fragment: str,
        call: Callable[[], Any],
        *,
        keeps: bool = True,
    ) -> str:
        """Expect exactly this error; with ``keeps`` no file may change."""
        before = self.listing() if keeps else {}
        with pytest.raises(kind) as caught:
            call()
        assert type(caught.value) is kind, repr(caught.value)
        message = well_said(caught.value)
        assert re.search(fragment, message), message
        if keeps:
            assert self.listing() == before
        return message

    def command(self, *arguments: Any, code: int = 0, fragment: str = "") -> str:
        """Run the command in this process; return what it prints.

        With an exit code other than 0 the output must be a single line on standard error, or the
        usage text of the option parser (also code 2).
        """
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise AssertionError(f"{arguments} ended in {result.exception!r}") from result.exception
        assert result.exit_code == code, result.output
        assert "Traceback" not in result.output
        said = " ".join(result.output.split())
        assert re.search(fragment, said), said
        if code:
            assert said.count("precondbench: ") == 1 or result.stderr.startswith(
                ("Usage:", "Error:")
            ), said
            assert len(said) < LOUDEST, said
        return result.output

    def process(self, *arguments: Any, code: int, seconds: float = 60, **options: Any) -> str:
        """Run the command in a process of its own; return both its streams."""
        done = subprocess.run(
            [sys.executable, "-m", "precondbench", *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds, **options,
        )  # fmt: skip
        text = done.stdout.decode(errors="replace")
        assert done.returncode == code, text
        assert "Traceback" not in text
        return text

    def check_no_leftovers(self) -> None:
        """No temporary file may be left, wherever the case worked."""
        left = [
            path
            for path in self.folder.rglob("*")
            if path.name.endswith((".part", ".building", ".old")) or path.name.startswith("tmp")
        ]
        assert not left, left


def well_said(error: BaseException) -> str:
    """Return the message of an error, after a look at its length and characters."""
    message = str(error)
    assert 15 < len(message) < LOUDEST, message
    assert message.isprintable() or "\n" in message, repr(message)
    return message


@pytest.fixture
def bench(tmp_path, monkeypatch, request) -> Bench:
    """Give a case its folder, which is also the current one."""
    monkeypatch.chdir(tmp_path)
    return Bench(tmp_path, monkeypatch, request)


@contextlib.contextmanager
def limited(seconds: float, more_bytes: int) -> Iterator[None]:
    """Bound time (an exception, or the end of everything where C code hangs) and memory."""

    def ring(number: int, frame: Any) -> None:
        raise HangError(f"still running after {seconds:g} s")

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    faulthandler.dump_traceback_later(3 * seconds, exit=True)
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    used = _private_bytes()
    if used is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (used + more_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _private_bytes() -> int | None:
    """Private memory of this process, where the system tells."""
    try:
        status = Path(f"/proc/{os.getpid()}/status").read_text()
    except OSError:
        return None
    found = re.search(r"VmData:\s+(\d+) kB", status)
    return None if found is None else 1024 * int(found[1])
