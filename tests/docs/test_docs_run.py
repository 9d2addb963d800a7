"""Every example in README.md and docs/ is run, file by file, from top to bottom.

In a ```python fence stands a doctest; the fences of a file share one namespace. In a ```console
fence, lines that start with "$ " are commands of precondbench or `python -m paper`, and what
stands between them is not compared. A fence ```python file=NAME is a file, written where the
commands run. What must not be run stands in a ```text fence.
"""

import doctest
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from precondbench.baselines import losses, registry
from precondbench.cli import app

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w+)(?: file=([\w.]+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """One fence of a file."""

    language: str
    text: str
    line: int
    file: str | None

    def commands(self) -> list[str]:
        """Commands of a console fence; a backslash at the end of a line joins the next one."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def blocks_of(path: Path) -> list[Block]:
    text = path.read_text(encoding="utf-8")
    return [
        Block(match[1], match[3], text.count("\n", 0, match.start()) + 1, match[2])
        for match in FENCE.finditer(text)
        if match[1] in ("python", "console")
    ]


PAGES = [
    path for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if blocks_of(path)
]


def run_python(block: Block, namespace: dict, path: Path) -> None:
    test = doctest.DocTestParser().get_doctest(
        block.text, namespace, path.name, str(path), block.line
    )
    assert test.examples, f"{path.name}, line {block.line}: a python fence without >>>"
    # The parser copies the namespace; the fences of a file are to share it.
    test.globs = namespace
    said: list[str] = []
    result = doctest.DocTestRunner(verbose=False, optionflags=FLAGS).run(
        test, out=said.append, clear_globs=False
    )
    assert result.failed == 0, "".join(said)


def run_console(block: Block, path: Path, folder: Path) -> None:
    where = f"{path.name}, line {block.line}"
    assert block.commands(), f"{where}: a console fence without '$ '"
    for command in block.commands():
        if "binsparse" in command:
            pytest.importorskip("binsparse")
        words = shlex.split(command, comments=True)
        if words[0] == "precondbench" and "--import" not in words:
            # In this process, which has imported everything.
            result = CliRunner().invoke(app, words[1:])
            assert result.exit_code == 0, f"{where}: {command}\n{result.output}"
            continue
        if words[:3] == ["python", "-m", "paper"]:
            words = words[2:]
        assert words[0] in ("precondbench", "paper"), f"{where}: {command!r} is not run"
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{where}: {command}\n{done.stdout}\n{done.stderr}"


@pytest.fixture
def own_registries(monkeypatch):
    """Models and losses of the examples are gone after the test."""
    monkeypatch.setattr(registry, "_REGISTERED", {})
    monkeypatch.setattr(losses, "_LOSSES", dict(losses._LOSSES))


@pytest.mark.usefixtures("own_registries")
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_examples_run(path, tmp_path, monkeypatch):
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    namespace: dict = {"__name__": "__main__"}
    monkeypatch.syspath_prepend(folder)
    for block in blocks_of(path):
        if "petsc4py" in block.text:
            # Only built from source, with PETSc; the last fence of its page.
            pytest.importorskip("petsc4py", reason="petsc4py is not installed")
        if block.file is not None:
            (folder / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            run_python(block, namespace, path)
        else:
            run_console(block, path, folder)


def test_there_are_pages_with_examples():
    assert {"quickstart.md", "mathematics.md", "protocol.md", "data.md"} <= {
        path.name for path in PAGES
    }


def test_a_model_on_a_board_takes_less_than_sixty_lines():
    """The file and the commands that docs/own_model.md begins with; they are run above."""
    file, console, *_ = blocks_of(ROOT / "docs" / "own_model.md")
    assert file.file is not None
    commands = console.commands()
    assert any(command.startswith("precondbench board") for command in commands)
    assert len(file.text.splitlines()) + len(commands) < 60


@pytest.mark.parametrize("who", ["student", "analyst"])
def test_the_first_pages_of_newcomers_take_less_than_forty_lines(who):
    """docs/plain_pyg.md and docs/solve_and_plot.md, which are run above, as they are timed."""
    from benchmarks.paths import PAGES as PATHS
    from benchmarks.paths import program

    python, commands = program(PATHS[who])
    assert 20 < len(python.splitlines()) + len(commands) < 40
