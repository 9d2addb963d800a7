"""Options with wrong types, values and names; invalid content for every input file."""

import re

import numpy as np
import pytest
from harness import Subject

from precondbench.matrices import write_matrix

OPTIONS = Subject(
    "Options of the commands",
    "unknown commands, options, names and values; numbers out of range, non-finite or not "
    "numeric; incompatible options; missing arguments; folders in place of files and vice versa",
    "one line that names the option or lists the choices; exit code 1, 2 or 3; nothing written",
)
INPUTS = Subject(
    "Invalid content for every input file",
    "missing file, folder, empty file, text, HTML, binary, zeros, a bare signature, for every "
    "command that reads a file",
    "one line that names the file, exit code 1, 2 or 3; nothing written",
)


def wrong(name, arguments, fragment, code=2):
    def run(bench):
        before = bench.listing()
        bench.command(*arguments.split(), code=code, fragment=fragment)
        assert bench.listing() == before

    OPTIONS.add(name, run)


DATA = "synthetic-tridiag"
for number, (arguments, fragment) in enumerate(
    (
        ("frobnicate", "No such command"),
        ("buidl", "No such command .buidl"),
        ("--frobnicate", "No such option"),
        ("submit frobnicate", "No such command"),
        ("leaderboard frobnicate", "No such command"),
        ("build", "Missing argument"),
        ("factor", "Missing argument"),
        ("score", "Missing argument"),
        ("board", "Missing argument"),
        ("results", "Missing argument"),
        ("train-grid", "Missing argument"),
        ("build check", "Missing argument"),
        ("build manifest synthetic-tridiag", "Missing argument"),
        ("build collection", "Missing option"),
        ("build large synthetic-tridiag", "unexpected extra argument"),
        ("submit pack", "Missing argument"),
        ("submit function precondbench:ic0", "Missing argument"),
        ("export synthetic-tridiag", "Missing option"),
        ("release", "Missing argument"),
        ("download", "Missing argument"),
        ("info", "Missing argument"),
        ("submit check", "Missing argument"),
        ("leaderboard score", "Missing argument"),
        ("leaderboard reproduce", "Missing argument"),
        ("list --colour", "No such option"),
        ("info synthetic-tridiag --split", "requires an argument"),
        ("list a b", "unexpected extra argument"),
    )
):
    wrong(f"usage-{number:02}-{arguments.replace(' ', '-') or 'none'}", arguments, fragment)

# -- names --

wrong("list-unknown", "list synthetic-tridiagg", "did you mean 'synthetic-tridiag'")
wrong("info-unknown", "info suitesparse", "did you mean 'suitesparse-invk'")
wrong("info-unknown-split", f"info {DATA} --split tset", "no split 'tset'.*did you mean 'test'")
wrong("info-unknown-version", f"info {DATA} --version 9", "no version '9'; there are: 1.0")
wrong("info-version-that-climbs", f"info {DATA} --version ../..", "no version")
wrong("build-unknown", "build synthetic", "no dataset 'synthetic'; there are")
wrong("build-unknown-config", f"build {DATA} --config unifrom", "did you mean 'uniform'")
wrong("build-unknown-split", f"build {DATA} --split validation", "no split 'validation'")
wrong("build-empty-name", f"build {DATA} --config=", "no configuration ''")
wrong("verify-unknown", "verify nothing", "no dataset 'nothing'")
wrong("download-unknown", "download nothing", "no dataset 'nothing'")
wrong("export-unknown", "export nothing --split val --to mtx --out o", "no dataset 'nothing'")
wrong("export-unknown-format", f"export {DATA} --split val --to xml --out o", "'xml' is not one of")
wrong("export-unknown-label", "export suitesparse-invk --version sample --config tril --split val "
      "--to mtx --out o --label lu", "has no factor 'lu'; there are: ic0, invk")  # fmt: skip
wrong("release-unknown", "release o --dataset nothing", "no dataset 'nothing'")
wrong("release-no-such-day", f"release o --dataset {DATA} --date 2026-02-30", "is not a date")
wrong("release-day-in-words", f"release o --dataset {DATA} --date today", "is not a date")
wrong("release-script-for-an-address", f"release o --dataset {DATA} --base-url javascript:x",
      "is no address to publish at")  # fmt: skip
wrong("cite-unknown", "cite nothing", "nothing")
wrong("train-unknown", "train nothing", "no dataset 'nothing'")
wrong("train-unknown-model", f"train {DATA} --model GATv3", "did you mean 'GATv2'")
wrong("train-unknown-loss", f"train {DATA} --set loss=hinge", "hinge")
wrong("train-unknown-scaling", f"train {DATA} --set scaling=log", "must be .standardised. or")
wrong("train-unknown-label", f"train {DATA} --set label=magic", "magic")
wrong("train-unknown-device", f"train {DATA} --set device=tpu", "must be .auto., .cpu. or .cuda.")
wrong("train-no-data", "train", "name a dataset")
wrong("train-unknown-setting", f"train {DATA} --set epoch=3", "unknown settings: epoch")
wrong("train-setting-without-a-value", f"train {DATA} --set epochs", "key=value")
wrong("train-setting-without-a-name", f"train {DATA} --set =3", "unknown settings: ;")
wrong("train-setting-twice", f"train {DATA} --set epochs=1 --set epochs=2", "epochs is set twice")
wrong("train-setting-with-an-option", f"train {DATA} --set seed=1", "use --seeds instead")
wrong("train-setting-of-the-argument", "train --set dataset=x", "use DATASET instead")
wrong("train-setting-that-is-a-list", f"train {DATA} --set epochs=[1,2]", r"epochs is \[1, 2\]")
wrong("train-setting-that-is-a-table", f"train {DATA} --set epochs={{a=1}}", "epochs is {'a': 1}")
wrong("train-compile-maybe", f"train {DATA} --set compile=maybe", "compile is 'maybe'")
wrong("train-unknown-module", f"train {DATA} --import no_such_module", "neither a module")
wrong("train-missing-module-file", f"train {DATA} --import gone.py", "there is no file gone.py")
wrong("train-relative-module", f"train {DATA} --import .x", "neither a module")
wrong("train-empty-module", f"train {DATA} --import=", "neither a module")
wrong("quickstart-unknown-device", "quickstart --device tpu", "must be .auto., .cpu. or .cuda.")
wrong("factor-unknown-method", "factor A.mtx --method lu", "'lu' is not one of")
wrong("reference-unknown-track", "leaderboard reference nothing", "nothing")

# -- numbers --

for option in ("--jobs 0", "--jobs -1", "--jobs two", "--jobs 1.5"):
    name = option.strip("-").replace(" ", "-is-")
    wrong(f"build-{name}", f"build suitesparse-invk --source nowhere {option}",
          "jobs is|valid integer")  # fmt: skip
for value in ("many", "0", "-5", "1.5"):
    wrong(f"build-max-n-is-{value}", f"build collection --max-n {value} --source nowhere",
          "valid integer|max-n")  # fmt: skip
for value in ("nan", "inf", "-1", "0", "much", "1e400"):
    wrong(f"build-max-memory-{value}", f"build large --max-memory {value} --source nowhere",
          "max-memory")  # fmt: skip
for value in ("0", "-3", "x"):
    wrong(f"build-min-n-{value}", f"build large --min-n {value} --source nowhere", "min-n")
for option, values in {
    "rounds": "0 -1 x 1.5 1000000000",
    "width": "0 -1 x 1000000000",
    "epochs": "-1 x 99999999999999999999",
    "learning-rate": "0 -1 nan inf x 1e400",
    "decay-every": "0 x",
    "patience": "0 x",
    "batch-size": "0 x",
    "max-edges": "0 x",
    "max-rows": "0 -1 x",
    "threads": "0 1000000000",
    "seeds": "x -1 0,,1 , 99999999999999999999 1.5",
}.items():
    for value in values.split():
        setting = option.replace("-", "_")
        given = f"--seeds {value}" if option == "seeds" else f"--set {setting}={value}"
        wrong(f"train-{option}-{value}", f"train {DATA} {given} --out o",
              f"{setting}|seed")  # fmt: skip
for option, values in {"epochs": "-1 x", "rounds": "0 1000000000", "seed": "-1 x"}.items():
    for value in values.split():
        wrong(f"quickstart-{option}-{value}", f"quickstart --{option} {value}", option)
for value in ("0", "-1", "x", "nan"):
    wrong(f"reproduce-timeout-{value}", f"leaderboard reproduce entries/t/e.json --timeout {value}",
          "timeout")  # fmt: skip
wrong("leaderboard-jobs-0", "leaderboard check entries/t/e.json --jobs 0", "jobs is 0")

# -- what does not go together --

wrong("build-source-of-drawn-data", f"build {DATA} --source x", "only suitesparse-invk")
wrong("build-jobs-and-dask", f"build {DATA} --jobs 2 --dask tcp://127.0.0.1:1", "not both")
wrong("train-grid-and-a-model", "train-grid g.toml --model MLP", "No such option")
wrong("train-grid-and-overwrite", "train-grid g.toml --overwrite", "No such option")
wrong("pack-unknown-field", "submit pack run --set colour=red", "known keys: code, paper, kind")
wrong("pack-field-without-a-value", "submit pack run --set code", "key=value")
wrong("pack-parameters-in-words", "submit pack run --set parameters=few", "parameters is 'few'")
wrong("pack-entry-without-a-name", f"submit function precondbench {DATA}",
      "is not an entry point")  # fmt: skip
wrong("pack-entry-of-no-module", f"submit function nowhere:f {DATA}", "neither a module")
wrong("pack-entry-of-no-function", f"submit function precondbench:fly {DATA}",
      "has no function 'fly'")  # fmt: skip
wrong("pack-entry-no-function", f"submit function precondbench:__version__ {DATA}",
      "has no function")  # fmt: skip
wrong("pack-run-that-is-none", "submit pack run", "is not the folder of a finished run", 1)
wrong("check-a-submission-for-two", "leaderboard check entries/t/a.json entries/t/b.json "
      "--submission s", "belongs to one entry")  # fmt: skip
wrong("check-no-entry", "leaderboard check x.json", "not the file of an entry", 1)
wrong("check-an-entry-in-the-root", "leaderboard check /x.json", "not the file of an entry", 1)
wrong(
    "reproduce-an-entry-in-the-root", "leaderboard reproduce /x.json", "not the file of an entry", 1
)
wrong("render-no-leaderboard", "leaderboard render --folder nowhere", "holds no tracks", 1)
wrong("verify-nothing-cached", "verify --root nowhere", "nothing is in the cache", 3)
wrong("download-no-mirror",
      f"download {DATA} --config uniform --split val --root r --mirror nowhere",
      "nowhere: has no file", 3)  # fmt: skip
wrong("download-another-protocol", f"download {DATA} --split val --root r --mirror ftp://x/y",
      "neither an http")  # fmt: skip
wrong("download-offline", f"download {DATA} --config uniform --split val --root r --mirror http://x",
      "PRECONDBENCH_OFFLINE forbids", 3)  # fmt: skip
wrong("results-no-folder", "results nowhere --out r.jsonl", "there is no folder nowhere")
wrong("factor-output-of-another-kind", "factor A.mtx --out L.txt", "write to a .mtx or .npz file")
wrong("factor-output-without-a-kind", "factor A.mtx --out L", "write to a .mtx or .npz file")

# -- earlier spellings --

for number, (old, new) in enumerate(
    {
        f"build {DATA} --check": f"build check {DATA}",
        f"build {DATA} --config twin --check": f"build check {DATA} --config twin",
        f"build {DATA} --update-manifest m.json": f"build manifest {DATA} m.json",
        "build suitesparse-invk --max-n 9": "build collection --max-n 9",
        "build suitesparse-invk --unverified --jobs 2": "build unverified --jobs 2",
        "build suitesparse-invk --config large --min-n 9": "build large --min-n 9",
        "build suitesparse-invk --dry-run": "build large --dry-run",
        f"train {DATA} --rounds 4": f"train {DATA} --set rounds=4",
        f"train {DATA} --learning-rate=1": f"train {DATA} --set learning_rate=1",
        f"train {DATA} --max-rows 5": f"train {DATA} --set max_rows=5",
        f"train {DATA} --no-compile": f"train {DATA} --set compile=false",
        "train --all --grid g.toml --out o": "train-grid g.toml --out o",
        "train --grid g.toml --import m.py": "train-grid g.toml --import m.py",
        "submit pack run --kind learned": "submit pack run --set kind=learned",
        "submit pack --predictions p.st --author A": "submit pack p.st --author A",
        f"submit pack --entry m:f --dataset {DATA}": f"submit function m:f {DATA}",
        "figures --results r.jsonl": "python -m paper",
    }.items()
):
    wrong(f"old-spelling-{number:02}", old, f"precondbench: '.*' is now '[a-z ]*{re.escape(new)}'")


def user_code(name, code, fragment):
    """Code of one's own that cannot be run."""

    def run(bench):
        bench.file("mine.py", code)
        said = bench.command("train", DATA, "--import", "mine.py", "--out", "o", code=2,
                             fragment=fragment)  # fmt: skip
        assert "mine.py" in said
        assert not (bench.folder / "o").exists()

    OPTIONS.add(f"user-code-{name}", run)


user_code("with-a-syntax-error", "def f(:\n", "SyntaxError")
user_code("of-binary", bytes(range(256)), "SyntaxError|ValueError")
user_code("that-fails", "1 / 0\n", "ZeroDivisionError")
user_code("that-imports-what-is-not-there", "import no_such_module\n", "no_such_module")
user_code("that-registers-a-known-name",
          "from precondbench.baselines import register_model as r\n"
          "@r('MLP')\nclass M:\n    pass\n", "cannot be registered as 'MLP'")  # fmt: skip
user_code("that-exits", "raise SystemExit(7)\n", "SystemExit")


# -- rubbish --

RUBBISH = {
    "empty": b"",
    "text": b"hello\n",
    "html": b"<!DOCTYPE html>\n<html><body>404</body></html>\n",
    "binary": bytes(range(256)) * 16,
    "zeros": bytes(4096),
    "hdf5-signature": b"\x89HDF\r\n\x1a\n" + bytes(512),
    "zip-signature": b"PK\x03\x04" + bytes(512),
}
READERS = {
    "factor-mtx": ("A.mtx", ("factor", "A.mtx", "--out", "L.mtx")),
    "factor-gz": ("A.mtx.gz", ("factor", "A.mtx.gz", "--out", "L.mtx")),
    "factor-npz": ("A.npz", ("factor", "A.npz", "--out", "L.mtx")),
    "score": ("p.st", ("score", "p.st")),
    "board": ("p.st", ("board", "p.st", "--out", "b.html")),
    "verify": ("s.h5", ("verify", "s.h5", "--json")),
    "pack-predictions": ("p.st", ("submit", "pack", "p.st", "--out", "s")),
    "results": ("runs/a/result.json", ("results", "runs", "--out", "r.jsonl")),
    "results-file": ("r.jsonl", ("results", "runs", "--out", "r.jsonl")),
    "train-grid": ("g.toml", ("train-grid", "g.toml", "--out", "o")),
    "train-protocol": ("g.toml", ("train", DATA, "--protocol", "g.toml", "--out", "o")),
    "check-submission": ("s/submission.json", ("submit", "check", "s")),
    "score-submission": ("s/submission.json", ("leaderboard", "score", "s", "--folder", "l")),
    "check-entry": ("entries/t/e.json", ("leaderboard", "check", "entries/t/e.json")),
    "reproduce-entry": ("entries/t/e.json", ("leaderboard", "reproduce", "entries/t/e.json")),
    "render": ("l/tracks/t.json", ("leaderboard", "render", "--folder", "l", "--out", "site")),
}


def rubbish(reader, kind, content):
    file, arguments = READERS[reader]

    def run(bench):
        if content is not None:
            bench.file(file, content)
        elif kind == "a-folder":
            (bench.folder / file).mkdir(parents=True)
        if reader in ("check-submission", "score-submission"):
            bench.file("s/predictions.safetensors", b"")
        if reader == "results-file":
            (bench.folder / "runs").mkdir()
        before = bench.listing()
        from typer.testing import CliRunner

        from precondbench.cli import app

        result = CliRunner().invoke(app, list(arguments))
        assert isinstance(result.exception, SystemExit), (result.exception, result.output)
        assert result.exit_code in (1, 2, 3), result.output
        assert "Traceback" not in result.output
        assert result.stderr.count("\n") <= 1, result.stderr
        named = (file, file.split("/")[-1], "runs/a", "holds no tracks")
        assert any(name in result.output for name in named), result.output
        assert bench.listing() == before

    INPUTS.add(f"{reader}-{kind}", run)


for _reader in READERS:
    for _kind, _content in {**RUBBISH, "a-folder": None, "missing": None}.items():
        # No fault: a folder of no runs, a file of results that is made, files without a line.
        if (
            not (_reader == "results" and _kind in ("missing", "a-folder"))
            and not (_reader == "results-file" and _kind in ("missing", "empty"))
            and not (_reader == "train-protocol" and _kind == "empty")
        ):
            rubbish(_reader, _kind, _content)


@OPTIONS.parametrised()
def test_options(bench, name):
    write_matrix(bench.folder / "A.mtx", np.diag([2.0, 3.0]))
    OPTIONS.run(bench, name)


@INPUTS.parametrised()
def test_rubbish(bench, name):
    INPUTS.run(bench, name)


def test_help_of_nothing_is_no_fault(bench):
    with pytest.raises(AssertionError):
        bench.command("list", code=1)
