"""Submissions: packing, checking, and refusing malformed or hostile input."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hostile_submissions import CORPUS
from typer.testing import CliRunner

from precondbench import SuiteSparseInvK, SyntheticTridiag
from precondbench.baselines import build_model, save_model
from precondbench.cli import app
from precondbench.errors import SubmissionError
from precondbench.leaderboard import (
    load_entry_point,
    open_bundle,
    pack_function,
    pack_predictions,
    pack_runs,
    submission_schema,
    submit,
)
from precondbench.leaderboard.submissions.schema import submitted_weights, values_digest
from precondbench.shards import file_sha256, read_predictions, write_predictions
from prediction_files import as_hdf5

SAID = {"method": "IC(0)", "kind": "classical", "authors": ["A. Cholesky"], "description": "IC."}
runner = CliRunner()


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("original") / "submission"
    data = SuiteSparseInvK(split="val", version="sample")
    pack_function(root_of_diagonal, data, folder, SAID)
    return folder


def root_of_diagonal(A):
    from scipy.sparse import diags_array

    return diags_array(np.sqrt(A.diagonal())).tocsr()


@pytest.fixture
def folder(original, tmp_path):
    shutil.copytree(original, tmp_path / "bundle")
    return tmp_path / "bundle"


def test_one_call_gives_what_files_give(folder, tmp_path):
    """A function, values by name and values in order; several seeds; fields by their names."""
    data = SuiteSparseInvK(split="val", version="sample")
    said = {"method": "IC(0)", "authors": "A. Cholesky", "description": "IC."}
    one = submit(data, root_of_diagonal, tmp_path / "one", **said)
    factors = {name: root_of_diagonal(data.pair(name).A) for name in data.names}
    two = submit(data, factors, tmp_path / "two", kind="classical", **said)
    three = submit(data, {0: list(factors.values())}, tmp_path / "three", kind="classical", **said)
    assert one == two == three
    assert one.predictions == open_bundle(folder).submission.predictions
    seeds = {seed: [(1 + seed) * L for L in factors.values()] for seed in (2, 5, 7)}
    learned = submit(
        data, seeds, tmp_path / "learned", parameters=3, code="https://example.org/code", **said
    )
    assert (learned.kind, learned.seeds, learned.parameters) == ("learned", [2, 5, 7], 3)
    assert learned.links.code == "https://example.org/code"
    assert open_bundle(tmp_path / "learned").submission == learned


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"predictions": {0: root_of_diagonal, 1: root_of_diagonal}}, "two seeds have the same"),
        ({"predictions": [None, None], "kind": "learned"}, "needs 3 seeds or more, there are 1"),
        ({"kinds": "learned"}, "the submission is wrong at kinds: Extra inputs"),
        ({"dataset": [1, 2]}, "the dataset is a list; give a split of this library"),
        (
            {"dataset": SuiteSparseInvK(split="val", version="sample")[:1]},
            "has 1 of the 2 matrices",
        ),
    ],
)
def test_what_cannot_be_submitted(tmp_path, arguments, message):
    given = {
        "dataset": SuiteSparseInvK(split="val", version="sample"),
        "predictions": root_of_diagonal,
        "method": "IC(0)",
        "authors": "A. Cholesky",
        "description": "IC.",
    }
    with pytest.raises(SubmissionError, match=message):
        submit(folder=tmp_path / "s", **(given | arguments))
    assert not (tmp_path / "s" / "submission.json").exists()


def test_all_that_is_missing_is_told_at_once(tmp_path):
    data = SuiteSparseInvK(split="val", version="sample")
    values = {name: data.pair(name).L.data for name in data.names}
    path = tmp_path / "p.safetensors"
    write_predictions(path, "From the file", data.shard, data.label, {0: values})
    packed = runner.invoke(app, ["submit", "pack", str(path)])
    assert packed.exit_code == 1
    assert "lacks kind, authors, description; on a command line: --set kind=" in packed.stderr
    assert "--author NAME --description TEXT" in packed.stderr
    fields = {key: SAID[key] for key in ("kind", "authors", "description")}
    made = pack_predictions([path], tmp_path / "s", fields)
    assert made.method == "From the file"


def test_what_is_packed_is_valid(folder):
    bundle = open_bundle(folder)
    assert bundle.submission.method == "IC(0)"
    assert bundle.submission.where == "suitesparse-invk/sample/tril/val"
    assert bundle.submission.seconds.construction >= 0
    (values,) = bundle.predictions.seeds.values()
    assert values.size == bundle.dataset.shard.nnz_offsets[-1]


def test_packing_twice_gives_the_same_files(folder, tmp_path):
    again = tmp_path / "again"
    said = json.loads((folder / "submission.json").read_text())
    said = {key: said[key] for key in (*SAID, "seconds")}
    pack_predictions([folder / "predictions.safetensors"], again, said)
    assert (again / "submission.json").read_bytes() == (folder / "submission.json").read_bytes()


def test_the_corpus_is_large():
    assert len(CORPUS) >= 60


def listing(folder):
    return {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize("name", CORPUS)
def test_hostile_submissions_end_in_one_error(folder, tmp_path, name):
    CORPUS[name](folder)
    before = listing(tmp_path)
    with pytest.raises(SubmissionError) as caught:
        open_bundle(folder)
    message = str(caught.value)
    assert 20 < len(message) < 1500, message
    assert "Traceback" not in message
    assert "\x1b" not in message
    assert "\x00" not in message
    assert listing(tmp_path) == before


@pytest.mark.parametrize("name", ["json-deep", "field-link-script", "h5-external-link", "st-text"])
def test_the_command_says_it_in_one_line(folder, name):
    CORPUS[name](folder)
    result = runner.invoke(app, ["submit", "check", str(folder)])
    assert result.exit_code == 1
    assert result.stderr.startswith("precondbench: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


@pytest.mark.parametrize("name", ["h5-one-chunk-of-gigabytes", "st-claims-a-terabyte"])
def test_memory_stays_bounded(folder, name):
    """The check needs less than 1 GB more than the libraries it imports."""
    CORPUS[name](folder)
    code = (
        "import resource, sys\n"
        "from precondbench import SuiteSparseInvK\n"
        "from precondbench.leaderboard import open_bundle\n"
        "from precondbench.errors import SubmissionError\n"
        "def peak():\n    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        "try:\n    open_bundle(sys.argv[1])\n"
        "except SubmissionError as error:\n    print(error)\n"
        "print(peak() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "predictions." in done.stdout
    assert int(done.stdout.split()[-1]) < 2**20  # KiB


def test_a_submission_of_an_older_version(folder):
    new = open_bundle(folder)
    as_hdf5(folder / "predictions.safetensors")
    (folder / "predictions.safetensors").unlink()
    old = open_bundle(folder)
    assert old.submission == new.submission
    for seed, values in new.predictions.seeds.items():
        np.testing.assert_array_equal(old.predictions.seeds[seed], values)
        assert values_digest(old.predictions.seeds[seed]) == values_digest(values)


def test_text_that_could_act_on_a_page_is_only_text(folder):
    data = json.loads((folder / "submission.json").read_text())
    data["method"] = "<script>alert(1)</script>"
    (folder / "submission.json").write_text(json.dumps(data))
    assert open_bundle(folder).submission.method == "<script>alert(1)</script>"


def test_values_that_are_not_finite_are_failures_not_errors(folder, tmp_path):
    data = SuiteSparseInvK(split="val", version="sample")
    values = {name: np.full(data.pair(i).L.nnz, np.inf) for i, name in enumerate(data.names)}
    values[data.names[1]] = None
    path = tmp_path / "p.safetensors"
    write_predictions(path, "x", data.shard, data.label, {0: values})
    pack_predictions([path], tmp_path / "s", SAID)
    bundle = open_bundle(tmp_path / "s")
    assert bundle.predictions.by_name(0, bundle.dataset.shard)[data.names[1]] is None


def test_digest_of_values():
    values = np.array([1.0, np.nan])
    other = values.copy()
    other.view(np.int64)[1] |= 1  # another NaN
    assert values_digest(values) == values_digest(other)
    # Which type a file stores does not matter.
    assert values_digest(values) == values_digest(values.astype(np.float32))
    assert values_digest(values) != values_digest(values[::-1])
    assert values_digest(values) == values_digest(values.astype(">f8"))


def predictions(folder, seed, method="m", split="val"):
    data = SyntheticTridiag(split=split)
    values = {name: np.full(99 if split == "val" else 399, 1.0 + seed) for name in data.names}
    path = folder / f"{method}-{seed}-{split}.safetensors"
    write_predictions(path, method, data.shard, data.label, {seed: values})
    return path


def test_seeds_of_several_files(tmp_path):
    files = [predictions(tmp_path, seed) for seed in (5, 3, 4)]
    submission = pack_predictions(files, tmp_path / "s", SAID | {"kind": "learned"})
    assert sorted(submission.predictions) == ["3", "4", "5"]
    assert read_predictions(tmp_path / "s" / "predictions.safetensors").seeds[4][0] == 5.0
    with pytest.raises(SubmissionError, match="3 seeds or more, there are 2"):
        pack_predictions(files[:2], tmp_path / "t", SAID | {"kind": "learned"})
    with pytest.raises(SubmissionError, match="repeats seed 5"):
        pack_predictions([files[0], files[0]], tmp_path / "t", SAID)
    other = predictions(tmp_path, 9, split="test_large")
    with pytest.raises(SubmissionError, match="one split"):
        pack_predictions([files[0], other], tmp_path / "t", SAID)
    with pytest.raises(SubmissionError, match="no predictions"):
        pack_predictions([], tmp_path / "t", SAID)
    assert not (tmp_path / "t").exists()


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    result = runner.invoke(
        app,
        ["train", "synthetic-tridiag", "--model", "MLP", "--set", "rounds=1", "--set", "epochs=1",
         "--seeds", "0,1,2", "--set", "device=cpu", "--out", str(out)],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return sorted((out / "synthetic-tridiag-1.0-uniform" / "MLP-1").glob("seed-*"))


def test_runs_tell_what_they_know(runs, tmp_path):
    said = {"authors": ["me"], "description": "A perceptron."}
    submission = pack_runs(runs, "test", tmp_path / "s", said)
    course = "; seed 0: 1 epochs, 63 steps, best epoch 1; seed 1: "
    assert submission.training is not None
    assert course in submission.training
    assert submission.method == "MLP (1 round)"
    assert submission.parameters == 1969
    assert sorted(submission.predictions) == ["0", "1", "2"]
    assert submission.command.splitlines()[1].endswith("--seeds 1")
    assert submission.seconds.training > 0
    assert submission.hardware
    with pytest.raises(SubmissionError, match="not the folder of a finished run"):
        pack_runs([tmp_path], "test", tmp_path / "t", said)
    with pytest.raises(SubmissionError, match="a seed appears twice"):
        pack_runs([runs[0]] * 3, "test", tmp_path / "t", said)
    other = tmp_path / "other"
    shutil.copytree(runs[1], other)
    configuration = other / "configuration.toml"
    configuration.write_text(configuration.read_text().replace("rounds = 1", "rounds = 2"))
    with pytest.raises(SubmissionError, match="differ in more than the seed"):
        pack_runs([runs[0], other], "test", tmp_path / "t", said)


def test_commands(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = ["--author", "A", "--author", "B", "--description", "x"]
    said += ["--set", "code=https://a.org/b"]

    def run(*arguments, code=0):
        result = runner.invoke(app, ["submit", *map(str, arguments)])
        assert result.exit_code == code, result.output
        return result

    run("pack", *runs, *said, "--method", "My MLP")
    report = json.loads(run("check", "submission", "--json").stdout)
    assert report["authors"] == ["A", "B"]
    assert report["links"]["code"] == "https://a.org/b"
    Path("mine.py").write_text(
        "from precondbench import invk\n\ndef predict(A):\n    return invk(A)\n"
    )
    data = ("suitesparse-invk", "--version", "sample", "--split", "val")
    run("function", "mine.py:predict", *data, *said, "--out", "inv-k")
    assert "mine.py:predict on suitesparse-invk/sample/tril/val" in run("check", "inv-k").stdout
    for arguments, message in (
        (["pack"], "Missing argument"),
        (["function", "mine.py:predict", *said], "Missing argument"),
        (["function", "mine.py:no", *data, *said], "has no function 'no'"),
        (["function", "mine", *data, *said], "is not an entry point"),
        (["function", "missing.py:f", *data, *said], "there is no file missing.py"),
        (["pack", *runs, "--set", "colour=red"], "known keys: code, paper, kind"),
        (["pack", *runs, "--set", "parameters=many"], "parameters is 'many'"),
    ):
        assert message in " ".join(run(*arguments, code=2).stderr.split())
    assert json.loads(run("schema").stdout) == json.loads(json.dumps(submission_schema()))


@pytest.mark.parametrize("model", ["LearnedChoice", "MLP"])
def test_seeds_that_agree(tmp_path, model):
    """Networks that choose may choose alike; with other networks it is one seed three times."""
    data = SuiteSparseInvK(split="val", version="sample")
    weights = {}
    for seed in (0, 1, 2):
        torch.manual_seed(seed)
        path = submitted_weights(tmp_path, seed)
        path.parent.mkdir(exist_ok=True)
        save_model(build_model(model, rounds=1), path)
        weights[str(seed)] = file_sha256(path)
    values = {name: data.pair(name).L.data for name in data.names}
    file = tmp_path / "p.safetensors"
    write_predictions(file, model, data.shard, data.label, dict.fromkeys((0, 1, 2), values))
    fields = {**SAID, "kind": "learned", "weights": weights}
    if model == "LearnedChoice":
        assert pack_predictions([file], tmp_path, fields).seeds == [0, 1, 2]
        with pytest.raises(SubmissionError, match="two seeds have the same weights"):
            pack_predictions(
                [file], tmp_path, {**fields, "weights": dict.fromkeys("012", "0" * 64)}
            )
    else:
        with pytest.raises(SubmissionError, match="predictions of seeds 0 and 1 are equal up to"):
            pack_predictions([file], tmp_path, fields)


def test_a_method_is_packed_as_a_function_is(tmp_path):
    (tmp_path / "named.py").write_text(
        "from precondbench import ic0\n\n"
        "class Named:\n"
        "    def setup(self, A, context):\n"
        "        return ic0(A) if context.name.startswith('HB/') else None\n\n"
        "method = Named()\n"
    )
    data = SuiteSparseInvK(split="test", version="sample")
    pack_function(load_entry_point(f"{tmp_path / 'named.py'}:method"), data, tmp_path / "s", SAID)
    values = open_bundle(tmp_path / "s").predictions.by_name(0, data.shard)
    assert {name: given is not None for name, given in values.items()} == {
        name: name.startswith("HB/") for name in data.names
    }
