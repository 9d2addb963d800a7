"""The help of every command: valid examples and documented options."""

import re
import shlex
import subprocess
import sys
from dataclasses import fields

import pytest
import typer
from typer.testing import CliRunner

import precondbench
from precondbench.baselines import TrainingConfiguration
from precondbench.cli import app
from precondbench.cli.output import EXAMPLES
from precondbench.datasets import DataSelection


def commands(group, path=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_every_command_has_examples_and_no_example_is_left_over():
    assert set(EXAMPLES) == set(COMMANDS)
    assert all(EXAMPLES.values())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_its_examples_and_explains_every_option(name):
    command = COMMANDS[name]
    shown = CliRunner().invoke(app, [*name.split(), "--help"], terminal_width=500)
    assert shown.exit_code == 0
    tail = shown.output.partition("Examples:\n")[2]
    assert [line.strip() for line in tail.splitlines() if line.strip()] == [
        f"precondbench {example}" for example in EXAMPLES[name]
    ]
    for parameter in command.params:
        # Not every typer keeps the help of an argument where it keeps that of an option.
        if parameter.param_type_name == "option":
            assert parameter.help, f"{name}: {parameter.name} is not explained"


@pytest.mark.parametrize(
    ("name", "example"), [(name, example) for name, all_ in EXAMPLES.items() for example in all_]
)
def test_examples_parse(name, example):
    words = shlex.split(example)
    own = words[len(name.split()) :]
    assert words[: len(name.split())] == name.split()
    # Raises on an option or an argument that does not exist.
    COMMANDS[name].make_context(name, own)


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_has_more_than_twelve_options(name):
    """Arguments are counted, --help is not."""
    assert len(COMMANDS[name].params) <= 12


def test_the_help_of_train_lists_every_setting():
    with_options = {"dataset", "configuration", "version", "model", "seed"}
    settings = {
        field.name for cls in (DataSelection, TrainingConfiguration) for field in fields(cls)
    }
    text = CliRunner().invoke(app, ["train", "--help"], terminal_width=500).output
    listed = text.partition("Settings of the training: ")[2].partition("documents")[0]
    assert settings - with_options <= set(re.findall(r"[a-z_]+", listed))


SOLVERS = {"numba", "torch", "scipy.sparse", "scipy.optimize", "scipy.spatial"}
NUMBERS = {"numpy", "scipy", "numba", "h5py", "torch"}


@pytest.mark.parametrize(
    ("words", "exit_code", "heavy"),
    [
        (["--help"], 0, NUMBERS),
        (["train", "--help"], 0, NUMBERS),
        (["list"], 0, SOLVERS | {"requests", "ssgetpy", "pandas"}),
        (["info", "parametric"], 0, SOLVERS | {"requests", "ssgetpy", "pandas"}),
        (["info", "parametrisch"], 2, SOLVERS),
        (["score", "nothing.safetensors"], 2, NUMBERS),
    ],
)
def test_quick_commands_import_little(words, exit_code, heavy):
    code = (
        "import sys; from precondbench.cli.program import main\n"
        f"sys.argv = ['precondbench', *{words}]\n"
        "try:\n    main()\n"
        f"except SystemExit as end:\n    assert end.code == {exit_code}, end.code\n"
        f"assert not {heavy} & set(sys.modules), {heavy} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_offered(shell, monkeypatch):
    monkeypatch.setenv("_PRECONDBENCH_COMPLETE", f"source_{shell}")
    shown = CliRunner().invoke(app, [], prog_name="precondbench")
    assert "precondbench" in shown.output
    assert "_PRECONDBENCH_COMPLETE" in shown.output


def test_version():
    shown = CliRunner().invoke(app, ["--version"])
    assert shown.output.strip() == f"precondbench {precondbench.__version__}"


def test_log_level_decides_what_is_told(tmp_path):
    arguments = ["build", "suitesparse-invk", "--version", "sample", "--split", "test"]
    arguments += ["--config", "tril", "--root", str(tmp_path)]
    loud = CliRunner().invoke(app, ["--log-level", "debug", *arguments])
    assert loud.exit_code == 0
    wrong = CliRunner().invoke(app, ["--log-level", "loud", *arguments])
    assert wrong.exit_code == 2
    assert "debug" in wrong.output
