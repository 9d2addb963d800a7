"""Obtaining splits, factoring real matrices, and builds from a mirror."""

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp

from precondbench import Pair, evaluate, ic0, invk
from precondbench.build import (
    all_plans,
    build_plan,
    factor_collection,
    factor_matrix,
    obtain_shard,
    split_plan,
)
from precondbench.build.collection_shard import build_collection_shard
from precondbench.build.factored import winner_of
from precondbench.build.suitesparse import SAMPLE_SPLITS
from precondbench.errors import ConfigurationError, DigestError
from precondbench.matrices import Collection, check_spd_candidate, formula_matrix, write_matrix
from precondbench.quality import Outcome, Status
from precondbench.shards import read_shard

SYNTHETIC = ("synthetic-tridiag", "0.1", "uniform", "val")


def outcome(iterations, status=Status.CONVERGED):
    return Outcome(status, iterations, 0.0)


@pytest.mark.parametrize(
    ("ic0_outcome", "invk_outcome", "winner"),
    [
        (outcome(100), outcome(100), "tie"),
        (outcome(100), outcome(95), "tie"),
        (outcome(100), outcome(94), "inv-k"),
        (outcome(94), outcome(100), "ic0"),
        (None, outcome(9999), "inv-k"),
        (None, outcome(10000, Status.ITERATION_LIMIT), "neither"),
        (outcome(5), outcome(10000, Status.STAGNATED), "ic0"),
        (outcome(10000, Status.ITERATION_LIMIT), outcome(5), "inv-k"),
    ],
)
def test_winner_has_a_margin(ic0_outcome, invk_outcome, winner):
    assert winner_of(ic0_outcome, invk_outcome) == winner


def test_obtain_builds_once(tmp_path):
    seen = []
    path = obtain_shard(*SYNTHETIC, root=tmp_path, progress=lambda *done: seen.append(done))
    assert seen[-1] == (200, 200)
    before = path.stat().st_mtime_ns
    assert obtain_shard(*SYNTHETIC, root=tmp_path) == path
    assert path.stat().st_mtime_ns == before
    shard = read_shard(path)
    shard.verify()
    assert shard.header.recipe["law"] == "uniform"
    assert [p for p in path.parent.iterdir() if "building" in p.name] == []


def test_wrong_content_leaves_nothing(tmp_path):
    target = tmp_path / "val.h5"
    with pytest.raises(DigestError, match="computes other bits"):
        build_plan(split_plan(*SYNTHETIC), target, "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_four_processes_at_once(tmp_path):
    code = f"from precondbench.build import obtain_shard; print(obtain_shard(*{SYNTHETIC!r}))"
    environment = dict(os.environ, PRECONDBENCH_CACHE=str(tmp_path))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    outputs = {process.communicate(timeout=120)[0] for process in processes}
    assert all(process.returncode == 0 for process in processes)
    assert len(outputs) == 1
    read_shard(outputs.pop().strip()).verify()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("synthetic-tridag", "0.1", "uniform", "val"), "did you mean 'synthetic-tridiag'"),
        (("synthetic-tridiag", "9", "uniform", "val"), "no version '9'"),
        (("synthetic-tridiag", "0.1", "unifrom", "val"), "did you mean 'uniform'"),
        (("synthetic-tridiag", "0.1", "uniform", "valid"), "did you mean 'val'"),
    ],
)
def test_unknown_names(names, message, tmp_path):
    with pytest.raises(ConfigurationError, match=message):
        obtain_shard(*names, root=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_sample_families_do_not_straddle_splits():
    families = {
        split: {name.rstrip("0123456789b").rstrip("_") for name, _ in matrices}
        for split, matrices in SAMPLE_SPLITS.items()
    }
    assert not (families["train"] & families["val"] | families["train"] & families["test"])
    assert not families["val"] & families["test"]


def test_every_plan_has_its_own_names():
    names = [plan.path_name for plan in all_plans()]
    assert len(names) == len(set(names)) == 6 * 4 + 3


def test_record_of_a_real_matrix():
    A = formula_matrix("HB/gr_30_30")
    result = factor_matrix("HB/gr_30_30", A, "2D/3D problem")
    record = result.record
    assert result.outcome == "built"
    np.testing.assert_array_equal(record.labels["invk"], invk(A).data)
    np.testing.assert_array_equal(record.labels["ic0"], ic0(A).data)
    np.testing.assert_array_equal(record.a, sp.tril(A, format="csr").data)

    class Source:
        def __len__(self):
            return 1

        def pair(self, index):
            return Pair("g", A, invk(A))

    row = evaluate(Source(), invk).rows[0]
    assert row.iterations == record.facts["iterations_invk"]
    assert row.n_log_k == pytest.approx(record.facts["n_log_k_invk"])
    assert record.facts["winner"] == "inv-k"


def test_outcomes_that_give_no_record():
    diagonal = factor_matrix("D", check_spd_candidate(np.diag([1.0, 2.0])))
    assert (diagonal.outcome, diagonal.record) == ("diagonal", None)
    indefinite = factor_matrix("I", check_spd_candidate([[1.0, 2.0], [2.0, 1.0]]))
    assert indefinite.outcome == "not positive definite"


@pytest.fixture
def mixed_mirror(tmp_path):
    """A good, a diagonal, an indefinite and a damaged matrix, and one that is not there."""
    import io
    import tarfile

    folder = tmp_path / "mirror"
    matrices = {
        "good": formula_matrix("JGD_Trefethen/Trefethen_20"),
        "diagonal": sp.diags_array(np.arange(1.0, 5.0)),
        "indefinite": sp.csr_array(np.array([[1.0, 2.0], [2.0, 1.0]])),
        "damaged": sp.csr_array(np.eye(3)),
        "absent": sp.csr_array(np.eye(6)),
    }
    lines = [str(len(matrices)), "date"]
    (folder / "files").mkdir(parents=True)
    (folder / "MM" / "T").mkdir(parents=True)
    for name, matrix in matrices.items():
        n, nnz = matrix.shape[0], sp.csr_array(matrix).nnz
        lines.append(f"T,{name},{n},{n},{nnz},1,0,0,1,1,1,test problem,{nnz}")
        archive = folder / "MM" / "T" / f"{name}.tar.gz"
        if name == "damaged":
            archive.write_bytes(b"no archive")
        elif name != "absent":
            write_matrix(tmp_path / "m.mtx", matrix)
            content = (tmp_path / "m.mtx").read_bytes()
            with tarfile.open(archive, "w:gz") as tar:
                info = tarfile.TarInfo(f"{name}/{name}.mtx")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    (folder / "files" / "ssstats.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_one_bad_matrix_stops_nothing(mixed_mirror, tmp_path):
    results = {r.name: r for r in factor_collection(Collection(mixed_mirror), 100)}
    assert {name: result.outcome for name, result in results.items()} == {
        "T/good": "built",
        "T/diagonal": "diagonal",
        "T/indefinite": "not positive definite",
        "T/damaged": "unreadable",
        "T/absent": "not in the mirror",
    }
    path, digest, _ = build_collection_shard(Collection(mixed_mirror), 100, None, tmp_path)
    shard = read_shard(path)
    shard.verify()
    assert (shard.names, shard.content_digest) == (["T/good"], digest)
    assert build_collection_shard(Collection(mixed_mirror), 1, None, tmp_path)[0] is None


@pytest.mark.long
def test_every_matrix_of_the_mirror_up_to_5000(mirror):
    results = factor_collection(mirror, 5000)
    outcomes = {result.name: result.outcome for result in results}
    assert len(results) == 100
    assert outcomes["HB/plat362"] == "neither label converges"
    assert outcomes["JGD_BIBD/bibd_81_2"] == outcomes["HB/bcsstm02"] == "diagonal"
    built = [result for result in results if result.outcome == "built"]
    assert len(built) >= 60
    for result in built:
        record, facts = result.record, result.facts
        assert facts["n_log_k_invk"] <= facts["n_log_k_ic0"] * (1 + 1e-9) + 1e-6 or np.isnan(
            facts["n_log_k_ic0"]
        )
        assert record.nnz == record.labels["invk"].size
    better = sum(result.facts["winner"] == "inv-k" for result in built)
    worse = sum(result.facts["winner"] == "ic0" for result in built)
    assert better > 5 * worse
