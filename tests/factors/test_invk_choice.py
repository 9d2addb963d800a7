"""Choice of method and order, checks of results, and bounds on memory."""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from precondbench import invk
from precondbench.errors import AccuracyWarning, BreakdownError, ConfigurationError
from precondbench.factors import invk_report, lower_pattern
from precondbench.factors.inv_k import api as inversion
from precondbench.factors.inverse.accuracy import probe_inverse
from precondbench.factors.inverse.plan import plan_inversion
from precondbench.factors.symbolic import ordering
from precondbench.matrices import formula_matrix


def biharmonic_power(m: int, power: int) -> sp.csr_array:
    one = np.ones(m)
    T = sp.csr_array(sp.diags_array([-one[1:], 2 * one, -one[1:]], offsets=[-1, 0, 1]))
    A = T
    for _ in range(power - 1):
        A = sp.csr_array(A @ T)
    return A


def test_the_work_decides(poisson_2d):
    for m, method in ((10, "simplicial"), (40, "simplicial"), (130, "supernodal")):
        A = poisson_2d(m)
        assert plan_inversion(A, lower_pattern(sp.tril(A))).method == method
        assert invk_report(A, probes=0).method == method


@pytest.mark.parametrize("name", ["method", "ordering"])
def test_unknown_names(name):
    with pytest.raises(ConfigurationError, match=f"{name} is 'dense'; choose one of auto"):
        invk(np.eye(3), **{name: "dense"})


def test_orders_agree(poisson_2d):
    A = poisson_2d(30)
    default = invk(A)
    for method in ("simplicial", "supernodal"):
        report = invk_report(A, method=method, ordering="natural")
        assert report.ordering == "natural"
        np.testing.assert_allclose(report.factor.data, default.data, rtol=1e-11)


def test_metis_is_optional(poisson_2d, monkeypatch):
    A = poisson_2d(30)
    if ordering.has_metis():
        report = invk_report(A, method="supernodal", ordering="metis")
        assert report.ordering == "metis"
        np.testing.assert_allclose(report.factor.data, invk(A).data, rtol=1e-11)
        np.testing.assert_array_equal(invk(np.diag([1.0, 4.0]), ordering="metis").data, [1.0, 2.0])
    monkeypatch.setattr(ordering, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="pip install pymetis"):
        invk(A, ordering="metis")


def test_ill_conditioned_falls_back_to_the_other_method(monkeypatch):
    """Condition number beyond 1e12: in doubt, both are computed and the better one is taken."""
    A = biharmonic_power(400, 3)
    pattern = sp.tril(biharmonic_power(400, 2), format="csr")
    computed = []
    original = inversion.invert

    def counted(matrix, pattern, plan, method, *rest):
        result = original(matrix, pattern, plan, method, *rest)
        computed.append(result)
        return result

    monkeypatch.setattr(inversion, "invert", counted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AccuracyWarning)
        report = invk_report(A, pattern, probes=0)
    assert report.doubtful
    assert {one.method for one in computed} == {"simplicial", "supernodal"}
    assert report.residual == min(one.residual for one in computed)


def test_breakdown_of_one_method_is_rescued_by_the_other(poisson_2d, monkeypatch):
    A = poisson_2d(130)
    simplicial = invk(A, method="simplicial")

    def broken(*arguments):
        raise BreakdownError("not positive definite", 3)

    monkeypatch.setattr(inversion, "factorise_blocks", broken)
    report = invk_report(A, probes=0)
    assert (report.method, report.doubtful) == ("simplicial", True)
    np.testing.assert_array_equal(report.factor.data, simplicial.data)
    monkeypatch.setattr(inversion, "factorise", broken)
    report = invk_report(A)
    assert (report.method, report.doubtful) == ("extended", True)
    np.testing.assert_allclose(report.factor.data, simplicial.data, rtol=1e-11)
    assert invk_report(A, method="supernodal").method == "extended"


def test_never_silently_inaccurate():
    """Condition number beyond 1e14."""
    A = biharmonic_power(140, 4)
    pattern = sp.tril(biharmonic_power(140, 2), format="csr")
    for method in ("auto", "simplicial", "supernodal"):
        with pytest.warns(AccuracyWarning, match="few correct digits"):
            invk(A, pattern, method=method)


def test_no_measured_error_was_silent():
    """Of the committed table: errors beyond 1e-4 warned, and the residual is of their size."""
    file = Path(__file__).parents[2] / "benchmarks" / "results" / "invk_accuracy.json"
    cases = json.loads(file.read_text())["cases"]
    assert cases[0]["condition"] < 1e5
    assert cases[-1]["condition"] > 1e14
    for case in cases:
        for method in ("simplicial", "supernodal", "auto"):
            row = case[method]
            assert row["warned"] or row["error"] < 1e-4
            assert row["error"] < 10 * row["residual"]


@pytest.mark.parametrize("method", ["simplicial", "supernodal"])
def test_the_probe_knows_a_wrong_factor(method):
    A = formula_matrix("HB/gr_30_30")
    pattern = lower_pattern(sp.tril(A))
    L = invk(A, method=method)
    lu = sp.linalg.splu(sp.csc_array(A))
    probe = probe_inverse(A, pattern, lu.solve)
    assert probe.settled < 1e-13
    assert probe.diagonal_error(pattern, L.data) < 1e-14
    assert probe.diagonal_error(pattern, L.data * (1 + 1e-6)) == pytest.approx(2e-6, rel=1e-3)
    assert probe.diagonal_error(pattern, L.data * np.nan) == np.inf
    bad = probe_inverse(A, pattern, lambda right: 5.0 * right)
    assert bad.diagonal_error(pattern, L.data) == np.inf


def test_nothing_of_size_n_by_n_is_allocated():
    """n = 200,000 under a limit of address space that a thousandth of n^2 numbers would break."""
    script = """
import resource
import numpy as np, scipy.sparse as sp
from precondbench.factors import invk_report
m = 447
one = np.ones(m)
T = sp.diags_array([-one[1:], 2 * one, -one[1:]], offsets=[-1, 0, 1])
A = sp.csr_array(sp.kron(T, sp.eye_array(m)) + sp.kron(sp.eye_array(m), T))
invk_report(A[:900, :900], method="supernodal", probes=0)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 1_200_000_000,) * 2)
report = invk_report(A, workers=1, probes=1)
assert report.method == "supernodal" and report.residual < 1e-11, report
assert report.diagonal_error < 1e-11
"""
    if not sys.platform.startswith("linux"):
        pytest.skip("limits of address space are set and read as on Linux")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
