"""The configuration ``large``: forecast, refusal, build, and use."""

import io
import json
import subprocess
import sys
import tarfile

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp
from typer.testing import CliRunner

from precondbench import SuiteSparseInvK, invk
from precondbench._internal import available_memory
from precondbench.cli import app
from precondbench.datasets import open_dataset
from precondbench.errors import MissingDataError
from precondbench.factors import analysis_bytes, forecast_invk, lower_pattern
from precondbench.recipes import (
    FROM_ROWS,
    LARGE,
    BuildContext,
    build_large,
    plan_large,
)
from precondbench.recipes.building.label import factor_large
from precondbench.shards import read_shard


def write_matrix(folder, name, A, kind="2D/3D problem"):
    """Put a matrix into a mirror, and return its line of the index."""
    text = io.BytesIO()
    scipy.io.mmwrite(text, sp.coo_array(A), symmetry="symmetric", precision=17)
    packed = folder / "MM" / "T" / f"{name}.tar.gz"
    packed.parent.mkdir(parents=True, exist_ok=True)
    info = tarfile.TarInfo(f"{name}/{name}.mtx")
    info.size = len(text.getvalue())
    with tarfile.open(packed, "w:gz") as archive:
        archive.addfile(info, io.BytesIO(text.getvalue()))
    return line_of(name, A.shape[0], A.nnz, kind)


def line_of(name, n, nnz, kind="2D/3D problem"):
    return f"T,{name},{n},{n},{nnz},1,0,0,1,1,1,{kind},{nnz}"


@pytest.fixture(scope="module")
def large_mirror(tmp_path_factory, poisson_2d):
    """A grid above the threshold, one below, one not there, a diagonal one, a damaged one."""
    folder = tmp_path_factory.mktemp("mirror")
    grid, small = poisson_2d(224), poisson_2d(12)
    lines = [
        write_matrix(folder, "grid", grid),
        write_matrix(folder, "small", small),
        line_of("absent", 900_000, 40_000_000),
        line_of("line", 60_000, 60_000),
        line_of("copy", 60_000, 300_000, "duplicate 2D/3D problem"),
        line_of("broken", 70_000, 300_000),
    ]
    (folder / "MM" / "T" / "broken.tar.gz").write_bytes(b"no archive")
    (folder / "files").mkdir()
    head = [str(len(lines)), "31-Oct-2026 00:00:00"]
    (folder / "files" / "ssstats.csv").write_text("\n".join([*head, *lines]) + "\n")
    return folder


def context_of(large_mirror, tmp_path):
    return BuildContext(str(large_mirror), tmp_path)


def outcomes(plans):
    return {plan.entry.name: plan.outcome for plan in plans}


def test_what_is_planned(large_mirror, tmp_path):
    said = []
    plans = plan_large(context_of(large_mirror, tmp_path), announce=said.append)
    assert outcomes(plans) == {
        "grid": "planned",
        "broken": "unreadable",
        "absent": "not in the mirror",
    }
    assert plans[0].entry.rows == 50_176 >= FROM_ROWS
    assert len(said) == 3
    assert "T/grid, n = 50,176: 3 million numbers" in said[0]
    assert not (tmp_path / "parts").exists()


def test_memory_is_refused_before_it_is_taken(large_mirror, tmp_path):
    context = context_of(large_mirror, tmp_path)
    for allowed, what in ((1e6, "reading it"), (30e6, "symbolic analysis"), (60e6, "its factor")):
        plans = plan_large(context, max_bytes=int(allowed), from_rows=100)
        found = {plan.entry.name: plan for plan in plans}
        assert found["grid"].outcome == "refused"
        assert what in found["grid"].detail
        # The refusal of one stops no other.
        assert found["small"].outcome == "planned"
    path, _, results = build_large(plans, context, tmp_path / "large.h5")
    assert [(r.name, r.outcome) for r in results][:2] == [
        ("T/small", "built"),
        ("T/grid", "refused"),
    ]
    assert read_shard(path).names == ["T/small"]


def test_results_of_earlier_matrices_count(large_mirror, tmp_path, monkeypatch):
    # 684 non-zeros of the small one are then enough to leave nothing.
    monkeypatch.setattr("precondbench.recipes.building.collection.KEPT_BYTES", 10**7)
    plans = plan_large(context_of(large_mirror, tmp_path), max_bytes=2 * 10**9, from_rows=100)
    assert outcomes(plans)["small"] == "planned"
    assert outcomes(plans)["grid"] == "refused"


def test_built_and_served(large_mirror, tmp_path):
    context = context_of(large_mirror, tmp_path)
    with pytest.raises(MissingDataError, match="build large' builds it"):
        SuiteSparseInvK(tmp_path, "all", pattern=LARGE)
    runner = CliRunner()
    arguments = ["build", "large", "--root", str(tmp_path)]
    done = runner.invoke(app, [*arguments, "--source", str(large_mirror), "--json"])
    assert done.exit_code == 0, done.output
    said = {row["name"]: row for row in json.loads(done.stdout)["matrices"]}
    assert said["T/grid"]["outcome"] == "built"
    assert said["T/grid"]["residual"] < 1e-10
    assert said["T/broken"]["outcome"] == "unreadable"
    data = SuiteSparseInvK(tmp_path, "all", pattern=LARGE)
    assert len(data) == 1
    assert data.names == ["T/grid"]
    assert open_dataset("suitesparse-invk", "all", configuration=LARGE, root=tmp_path).names
    pair = data.pair(0)
    expected = invk(pair.A)
    assert abs(pair.L - expected).max() <= 1e-12 * abs(expected).max()
    facts = data.facts(0)
    assert facts["winner"] == "inv-k"
    assert 0 < facts["iterations_invk"] < facts["iterations_ic0"]
    with pytest.raises(MissingDataError, match="one split, 'all'"):
        SuiteSparseInvK(tmp_path, "train", pattern=LARGE)
    # Nothing is computed twice.
    (part,) = (tmp_path / "parts").glob("*.h5")
    before = part.stat().st_mtime_ns
    build_large(plan_large(context), context, tmp_path / "again.h5")
    assert part.stat().st_mtime_ns == before


def test_dry_run_computes_nothing(large_mirror, tmp_path):
    arguments = ["build", "large", "--root", str(tmp_path)]
    arguments += ["--source", str(large_mirror), "--dry-run"]
    said = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert said["matrices"][0]["outcome"] == "planned"
    assert 0.01 < said["seconds"] < 10
    assert 20e6 < said["bytes"] < 200e6
    table = CliRunner().invoke(app, [*arguments, "--min-n", "100"])
    assert table.exit_code == 0
    assert "T/small" in table.stdout
    assert not list(tmp_path.glob("**/*.h5"))


def test_options_of_large_go_with_large():
    for extra in (["--dry-run"], ["--max-memory", "3"], ["--min-n", "9"]):
        done = CliRunner().invoke(app, ["build", "suitesparse-invk", *extra])
        assert done.exit_code == 2
        assert "is now 'precondbench build large " in done.output


def test_few_correct_digits_are_said():
    hilbert = sp.csr_array(1.0 / (np.arange(9)[:, None] + np.arange(9) + 1.0))
    result = factor_large("T/hilbert", hilbert)
    assert result.facts["residual"] > 1e-9
    tougher = sp.csr_array(1.0 / (np.arange(12)[:, None] + np.arange(12) + 1.0))
    result = factor_large("T/tougher", tougher)
    assert result.outcome == "not positive definite" or "few correct digits" in result.detail


def test_a_matrix_that_is_not_positive_definite_is_an_outcome():
    A = sp.csr_array(np.array([[1.0, 2.0], [2.0, 1.0]]))
    assert factor_large("T/a", A).outcome == "not positive definite"


def test_the_forecast_counts_what_is_stored(poisson_2d):
    A = poisson_2d(60)
    pattern = lower_pattern(sp.tril(A, format="csr"))
    forecast = forecast_invk(A, pattern)
    from precondbench.factors import invk_report

    assert forecast.entries == invk_report(A, method="supernodal").entries
    assert forecast.bytes > 8 * forecast.entries
    assert analysis_bytes(pattern) < forecast.bytes


def test_limits_of_the_process_are_seen():
    pytest.importorskip("resource")
    code = (
        "import resource, psutil; from precondbench._internal import available_memory;"
        "free = available_memory();"
        "taken = psutil.Process().memory_info().vms;"
        "resource.setrlimit(resource.RLIMIT_AS, (taken + 10**8, resource.RLIM_INFINITY));"
        "print(available_memory() <= 10**8 < free)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
    assert available_memory() > 10**8
