"""The ways that docs/architecture.md lists are those that the running program takes."""

import re
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import issparse
from typer.testing import CliRunner

from house import ROOT
from precondbench import SuiteSparseInvK, SyntheticTridiag
from precondbench.cli import app
from precondbench.leaderboard import pack_predictions
from precondbench.leaderboard.local import local_track
from precondbench.leaderboard.scoring.ranking import rank_entries
from precondbench.leaderboard.tracks import OpenTrack, TrackName
from precondbench.matrices import formula_matrix, write_matrix
from precondbench.shards import write_predictions

PAGE = Path(__file__).parents[1] / "docs" / "architecture.md"
MOST = 8
# What a submission and a matrix are on their ways, by the names of classes.
SUBMISSION = {"Submission", "Bundle", "PredictionFile", "Evaluation", "StoredEvaluation", "Entry"}
MATRIX = {"CollectionEntry", "Task", "Record", "Shard", "SuiteSparseInvK", "OpenTrack", "Entry"}

pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="needs the checkout")


def listed(way):
    """Return the modules of a way as the page lists them."""
    text = PAGE.read_text(encoding="utf-8").partition(f"<!-- way of a {way} -->\n")[2]
    return re.findall(r"^\d+\. `([\w.]+)`", text.partition("\n\n")[0], re.MULTILINE)


def trace(run, holds=None):
    """Return the modules that a program enters, in the order of their first call.

    With ``holds`` only calls count that have an argument for which it is true.
    """
    root = f"{ROOT.as_posix()}/"
    entered = {}

    def note(frame, event, _):
        code = frame.f_code
        if event != "call" or not code.co_filename.startswith(root) or code.co_name == "<module>":
            return
        name = code.co_filename.removeprefix(root).removesuffix(".py").replace("/", ".")
        if name in entered:
            return
        arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        if holds is None or any(holds(frame.f_locals.get(argument)) for argument in arguments):
            entered[name] = code.co_name

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    return list(entered)


def command(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


def as_listed(way, entered):
    """The page's modules, as far as they were entered, in the order in which they were."""
    return [name for name in entered if name in listed(way)]


@pytest.mark.parametrize("way", ["matrix", "training run", "submission"])
def test_a_way_is_short_and_straight(way):
    names = listed(way)
    assert 5 <= len(names) <= MOST
    assert len(set(names)) == len(names)
    for name in names:
        # Loaded before a trace: running a module's top level is no stop on a way.
        import_module(f"precondbench.{name}")


def test_the_way_of_a_submission(tmp_path):
    """Not only in this order: no other module but the tools of _internal ever holds it."""
    data = SyntheticTridiag(split="test", config="twin")
    pairs = [data.pair(i) for i in range(len(data))]
    seeds = {
        seed: {
            p.name: p.L.data * (1 + 0.05 * np.random.default_rng(seed).standard_normal(p.L.nnz))
            for p in pairs
        }
        for seed in range(3)
    }
    folder = tmp_path / "submission"
    write_predictions(tmp_path / "p.safetensors", "m", data.shard, data.label, seeds)
    about = {"method": "Noisy", "kind": "learned", "authors": ["a"], "description": "d"}
    pack_predictions([tmp_path / "p.safetensors"], folder, about)

    def holds(value):
        given = isinstance(value, (str, Path)) and str(value).startswith(str(folder))
        return given or type(value).__name__ in SUBMISSION

    def run():
        command("leaderboard", "score", folder, "--folder", tmp_path / "leaderboard")

    test_a_way_is_short_and_straight("submission")
    entered = trace(run, holds)
    assert [name for name in entered if not name.startswith("_internal.")] == listed("submission")


def test_the_way_of_a_training_run(tmp_path):
    def run():
        command(
            "train", "synthetic-tridiag", "--config", "twin", "--model", "MLP", "--out", tmp_path,
            "--set", "rounds=1", "--set", "epochs=1", "--set", "device=cpu",
        )  # fmt: skip

    test_a_way_is_short_and_straight("training run")
    assert as_listed("training run", trace(run)) == listed("training run")


def test_the_way_of_a_matrix(tmp_path, monkeypatch):
    """From an archive of a mirror to its place among the entries."""
    import io
    import tarfile

    matrix = formula_matrix("HB/gr_30_30")
    mirror = tmp_path / "mirror"
    (mirror / "MM" / "T").mkdir(parents=True)
    (mirror / "files").mkdir()
    n, nnz = matrix.shape[0], matrix.nnz
    line = f"T,grid,{n},{n},{nnz},1,0,0,1,1,1,test problem,{nnz}\n"
    (mirror / "files" / "ssstats.csv").write_text(f"1\ndate\n{line}")
    write_matrix(tmp_path / "grid.mtx", matrix)
    content = (tmp_path / "grid.mtx").read_bytes()
    with tarfile.open(mirror / "MM" / "T" / "grid.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("grid/grid.mtx")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    monkeypatch.setenv("PRECONDBENCH_CACHE", str(tmp_path / "cache"))

    def run():
        command("build", "collection", "--source", mirror, "--max-n", 1000)
        data = SuiteSparseInvK(split="all", version="local", pattern="max1000")
        name = TrackName("suitesparse-invk", "local", "tril", "all", "best", "A mirror")
        track, entries = local_track(OpenTrack(name, [data]), {}, {})
        assert rank_entries(track, entries)[0].rank == 1

    def holds(value):
        one = value[0] if isinstance(value, list) and value else value
        return issparse(one) or type(one).__name__ in MATRIX

    test_a_way_is_short_and_straight("matrix")
    assert as_listed("matrix", trace(run, holds)) == listed("matrix")
