"""Obtaining splits, factoring real matrices, and builds from a mirror."""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import h5py
import numpy as np
import pytest
import scipy.sparse as sp

from precondbench import Pair, evaluate, ic0, invk
from precondbench.errors import ConfigurationError, DigestError, MissingDataError
from precondbench.matrices import catalogue, check_spd_candidate, formula_matrix, write_matrix
from precondbench.quality import Outcome
from precondbench.recipes import (
    BuildContext,
    all_plans,
    build_collection_shard,
    build_plan,
    factor_matrix,
    mirror_entries,
    obtain_shard,
    open_executor,
    release_plans,
    split_plan,
    unverified_entries,
)
from precondbench.recipes.building.golden import label_digests
from precondbench.recipes.building.label import winner_of
from precondbench.recipes.building.tasks import Task
from precondbench.recipes.folds import family, split_of_family
from precondbench.recipes.suitesparse import SAMPLE_SPLITS
from precondbench.shards import load_manifest, read_shard
from precondbench.solvers import Status

SYNTHETIC = ("synthetic-tridiag", "1.0", "uniform", "val")


def outcome(iterations, status=Status.CONVERGED):
    return Outcome(status, iterations, (iterations,), 0.0)


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
    context = BuildContext(root=tmp_path, progress=lambda *done: seen.append(done))
    path = obtain_shard(*SYNTHETIC, context=context)
    assert seen[-1] == (200, 200, "uniform-val-00199")
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


def test_eight_processes_at_once(tmp_path):
    code = f"from precondbench.recipes import obtain_shard; print(obtain_shard(*{SYNTHETIC!r}))"
    environment = dict(os.environ, PRECONDBENCH_CACHE=str(tmp_path))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(8)
    ]
    outputs = {process.communicate(timeout=120)[0] for process in processes}
    assert all(process.returncode == 0 for process in processes)
    assert len(outputs) == 1
    read_shard(outputs.pop().strip()).verify()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("synthetic-tridag", "1.0", "uniform", "val"), "did you mean 'synthetic-tridiag'"),
        (("synthetic-tridiag", "9", "uniform", "val"), "no version '9'"),
        (("synthetic-tridiag", "1.0", "unifrom", "val"), "did you mean 'uniform'"),
        (("synthetic-tridiag", "1.0", "uniform", "valid"), "did you mean 'val'"),
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
    assert len(names) == len(set(names))


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
        "grid": formula_matrix("HB/gr_30_30"),
        "beam": formula_matrix("HB/nos1"),
        "primes": formula_matrix("JGD_Trefethen/Trefethen_300"),
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


def outcomes_of(context, max_n=1000):
    entries = mirror_entries(context, max_n)
    path, digest, results = build_collection_shard(entries, context, context.folder / "local.h5")
    return path, digest, {result.name: result.outcome for result in results}


MIXED = {
    "T/good": "built",
    "T/grid": "built",
    "T/beam": "built",
    "T/primes": "built",
    "T/diagonal": "diagonal",
    "T/indefinite": "not positive definite",
    "T/damaged": "unreadable",
    "T/absent": "not in the mirror",
}


def test_one_bad_matrix_stops_nothing(mixed_mirror, tmp_path):
    context = BuildContext(str(mixed_mirror), tmp_path / "cache")
    path, digest, outcomes = outcomes_of(context)
    assert outcomes == MIXED
    shard = read_shard(path)
    shard.verify()
    assert (shard.names, shard.content_digest) == (
        ["T/good", "T/beam", "T/primes", "T/grid"],
        digest,
    )
    assert build_collection_shard([], context, tmp_path / "x.h5") == (None, None, [])


def test_finished_parts_are_not_done_again(mixed_mirror, tmp_path, monkeypatch):
    context = BuildContext(str(mixed_mirror), tmp_path / "cache")
    _, digest, outcomes = outcomes_of(context)
    monkeypatch.setattr(Task, "run", lambda task: pytest.fail(f"{task.entry.name} done again"))
    # What was not there, or damaged, is asked for again; all else comes from the parts.
    passing = ("absent", "damaged")
    present = [e for e in mirror_entries(context, 1000) if e.name not in passing]
    _, again, results = build_collection_shard(present, context, tmp_path / "again.h5")
    assert again == digest
    assert all(result.outcome == outcomes[result.name] for result in results)


@pytest.mark.parametrize("damage", ["truncate", "flip", "json"])
def test_damaged_parts_are_done_again(mixed_mirror, tmp_path, damage):
    context = BuildContext(str(mixed_mirror), tmp_path / "cache")
    _, digest, _ = outcomes_of(context)
    (part,) = (tmp_path / "cache" / "parts").glob("T__good*.h5")
    content = part.read_bytes()
    if damage == "truncate":
        part.write_bytes(content[: len(content) // 2])
    elif damage == "json":
        part.with_suffix(".json").write_text("{")
    else:
        with h5py.File(part, "r+") as file:
            values = file["values/l_invk"][:]
            values[0] = np.nextafter(values[0], 1)
            file["values/l_invk"][:] = values
    assert outcomes_of(context)[1] == digest


def test_workers_change_no_bit(mixed_mirror, tmp_path):
    alone = outcomes_of(BuildContext(str(mixed_mirror), tmp_path / "one"))
    with open_executor(2) as pool:
        together = outcomes_of(BuildContext(str(mixed_mirror), tmp_path / "two", pool))
    assert together[1:] == alone[1:]


@pytest.mark.filterwarnings("ignore")  # dask warns about ports and versions, not about us
def test_dask_cluster_changes_no_bit(mixed_mirror, tmp_path):
    distributed = pytest.importorskip("distributed", reason="needs the dask extra")
    alone = outcomes_of(BuildContext(str(mixed_mirror), tmp_path / "one"))
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            local_directory=str(tmp_path),
        ) as cluster,
        open_executor(dask=cluster.scheduler_address) as executor,
    ):
        together = outcomes_of(BuildContext(str(mixed_mirror), tmp_path / "two", executor))
    assert together[1:] == alone[1:]


def test_executors_are_asked_for_sensibly():
    with pytest.raises(ConfigurationError, match="jobs is 0"), open_executor(0):
        pass
    with pytest.raises(ConfigurationError, match="not both"), open_executor(2, "tcp://x"):
        pass


def test_too_dear_is_said_before_it_starts():
    A = formula_matrix("JGD_Trefethen/Trefethen_300")
    result = factor_matrix("T", A, max_operations=1e3)
    assert result.outcome == "too dear"
    assert "operations" in result.detail
    said = []
    factor_matrix("T", A, announce=said.append)
    assert said == []  # a small one needs no announcement
    factor_matrix("T", A, announce=said.append, announced_operations=1e3)
    assert "MB" in said[0]


def test_version_1_0_needs_a_source(monkeypatch, tmp_path):
    monkeypatch.delenv("PRECONDBENCH_SUITESPARSE", raising=False)
    with pytest.raises(MissingDataError, match="version 'sample'"):
        obtain_shard("suitesparse-invk", "1.0", "tril", "test", root=tmp_path)


def test_a_mirror_that_lacks_matrices_is_named(mixed_mirror, tmp_path):
    context = BuildContext(str(mixed_mirror), tmp_path)
    with pytest.raises(MissingDataError, match="14 of 14 matrices are not in"):
        obtain_shard("suitesparse-invk", "1.0", "tril", "test", context=context)


def test_another_matrix_under_a_known_name_is_refused(tmp_path, monkeypatch):
    """The manifest knows the digest of every source matrix."""
    plan = split_plan("suitesparse-invk", "1.0", "tril", "test")
    honest = factor_matrix("x", formula_matrix("JGD_Trefethen/Trefethen_20"))

    def other(task):
        return replace(honest, name=task.entry.full_name)

    monkeypatch.setattr(Task, "run", other)
    with pytest.raises(DigestError, match="Fetch the matrix again"):
        obtain_shard(
            "suitesparse-invk", "1.0", "tril", "test", context=BuildContext("/x", tmp_path)
        )
    assert plan.count == 14


def test_families_and_their_splits():
    by_family = {}
    for entry in catalogue():
        by_family.setdefault(family(entry.name), set()).add(entry.full_name)
    assert {"HB/bcsstk06", "HB/bcsstm07", "Boeing/bcsstk34"} <= by_family["bcsst"]
    assert by_family["bus"] == {"HB/494_bus", "HB/662_bus", "HB/685_bus", "HB/1138_bus"}
    for source in load_manifest().sources_of("1.0"):
        assert source.family == family(source.name)
        assert source.split == split_of_family(source.family)


def test_the_manifest_accounts_for_every_candidate():
    sources = load_manifest().sources_of("1.0")
    assert [f"{s.group}/{s.name}" for s in sources] == [e.full_name for e in catalogue()]
    counts = Counter(source.outcome for source in sources)
    assert counts == {
        "built": 80, "not verified": 48, "diagonal": 18, "neither label converges": 7,
        "duplicate": 6, "too dear": 2,
    }  # fmt: skip
    released = [
        name for plan in release_plans(patterns=["tril"]) for name in plan.recipe["matrices"]
    ]
    assert sorted(released) == sorted(
        f"{s.group}/{s.name}" for s in sources if s.outcome == "built"
    )
    assert len(unverified_entries()) == 48 + 7 + 2
    assert all(s.matrix_digest and s.labels for s in sources if s.outcome == "built")


@pytest.mark.long
def test_version_1_0_from_the_mirror(mirror, tmp_path):
    """Every split rebuilt with two workers; patterns never straddle splits."""
    patterns = {}
    with open_executor(2) as pool:
        context = BuildContext(os.pathsep.join(mirror.places), tmp_path, pool)
        for plan in release_plans(patterns=["tril"]):
            names = (plan.dataset, plan.version, plan.configuration, plan.split)
            shard = read_shard(obtain_shard(*names, context=context))
            shard.verify()
            for i in range(len(shard)):
                record = shard.record(i)
                key = record.indices.tobytes() + record.indptr.tobytes()
                assert patterns.setdefault(key, plan.split) == plan.split, record.name
                source = next(
                    s
                    for s in load_manifest().sources_of("1.0")
                    if s.name == record.name[record.name.index("/") + 1 :]
                )
                assert label_digests(record) == source.labels
                gap = record.facts["n_log_k_ic0"] - record.facts["n_log_k_invk"]
                assert np.isnan(gap) or gap >= -1e-6 * abs(record.facts["n_log_k_ic0"]) - 1e-9
    assert len(patterns) > 60


@pytest.mark.long
def test_every_matrix_of_the_mirror_up_to_5000(mirror, tmp_path):
    with open_executor(2) as pool:
        context = BuildContext(os.pathsep.join(mirror.places), tmp_path, pool)
        _, _, outcomes = outcomes_of(context, 5000)
    assert len(outcomes) == 100
    held = {entry.full_name for entry in mirror.positive_definite(5000) if mirror.has(entry)}
    hard = {"HB/plat362", "HB/plat1919", "Boeing/msc01050", "FIDAP/ex9", "FIDAP/ex13", "FIDAP/ex33"}
    assert Counter(outcomes.values()) == {
        "built": len(held) - 15 - len(hard & held),
        "diagonal": 15,
        "not in the mirror": 100 - len(held),
        "neither label converges": len(hard & held),
    }
    assert all(outcomes[name] == "neither label converges" for name in hard & held)
