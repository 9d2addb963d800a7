"""``precondbench factor`` writes the factor described in its report."""

import json

import numpy as np
import scipy.sparse as sp
from typer.testing import CliRunner

from precondbench import Pair, invk, k_condition, mic0
from precondbench.cli import app
from precondbench.factors import invk_report
from precondbench.matrices import poisson_1d, tridiagonal_csr, write_matrix
from precondbench.quality import problem_of


def report_of(path, *arguments):
    done = CliRunner().invoke(app, ["factor", str(path), "--json", *arguments])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_file_scores_what_the_report_says(tmp_path, poisson_2d):
    """Also where ``invk`` would choose dense blocks, which differ in the last bits."""
    A = poisson_2d(130)
    write_matrix(tmp_path / "A.npz", A)
    for method in ("invk", "ic0", "mic0"):
        out = tmp_path / f"{method}.npz"
        facts = report_of(tmp_path / "A.npz", "--method", method, "--out", str(out))["facts"]
        L = sp.csr_array(sp.load_npz(out))
        outcome = problem_of(Pair("A", A, L)).solve(L.data)
        assert outcome.iterations == facts[f"iterations_{method}"]
        assert str(outcome.status) == facts[f"status_{method}"]
        assert k_condition(A, L).n_log_k == facts[f"n_log_k_{method}"]
    L = sp.csr_array(sp.load_npz(tmp_path / "invk.npz"))
    np.testing.assert_array_equal(L.data, invk(A, method="simplicial").data)
    assert invk_report(A, probes=0).method == "supernodal"


def test_the_relaxation_of_mic0(tmp_path, poisson_2d):
    A = poisson_2d(12)
    write_matrix(tmp_path / "A.npz", A)
    arguments = ("--method", "mic0", "--relaxation", "0.9", "--out", str(tmp_path / "L.npz"))
    report_of(tmp_path / "A.npz", *arguments)
    np.testing.assert_array_equal(sp.load_npz(tmp_path / "L.npz").data, mic0(A, 0.9).data)


def test_factors_that_fail_are_written_too(tmp_path):
    """Neither converges: what is written is what was tried."""
    T = tridiagonal_csr(poisson_1d(300))
    A = sp.csr_array(T @ T @ T)  # condition number beyond 1e12
    write_matrix(tmp_path / "A.npz", A)
    out = tmp_path / "L.npz"
    report = report_of(tmp_path / "A.npz", "--out", str(out))
    assert report["outcome"] == "neither label converges"
    L = sp.csr_array(sp.load_npz(out))
    assert k_condition(A, L).n_log_k == report["facts"]["n_log_k_invk"]
