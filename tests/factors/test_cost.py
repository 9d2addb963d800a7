"""Predicted cost: exact where the plan is, and in memory of the order of the matrix."""

import resource
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp

from precondbench.errors import CostError
from precondbench.factors import estimate_cost, invk, level_of_fill, lower_pattern, plan_elimination
from precondbench.matrices import check_spd_candidate, formula_matrix


def hub(n, at=0):
    """One unknown joined to all others."""
    others = np.setdiff1d(np.arange(n), [at])
    A = sp.coo_array((np.ones(n - 1), (np.full(n - 1, at), others)), shape=(n, n))
    return check_spd_candidate(A + A.T + 2.0 * n * sp.eye_array(n))


def tril(A):
    return lower_pattern(sp.tril(A, format="csr"))


def counted(A, T):
    """Entries and operations from the whole symbolic factor."""
    counts = np.diff(plan_elimination(A, T).colptr).astype(float)
    lengths = np.bincount(T.indices).astype(float)
    return int(counts.sum()), 1.5 * (counts**2).sum() + (lengths**3).sum() / 3


@pytest.mark.parametrize("name", ["HB/gr_30_30", "HB/nos1", "JGD_Trefethen/Trefethen_300"])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_estimate_is_exact(name, level):
    A = check_spd_candidate(formula_matrix(name))
    T = level_of_fill(A, level)
    cost = estimate_cost(A, T)
    assert (cost.factor_entries, cost.operations) == pytest.approx(counted(A, T), rel=1e-14)


@pytest.mark.parametrize("seed", range(20))
def test_estimate_of_random_graphs_is_exact(seed, random_spd):
    A = check_spd_candidate(random_spd(3 + 3 * seed, seed, density=0.02 + 0.02 * seed))
    for T in (tril(A), lower_pattern(sp.eye_array(A.shape[0]))):
        cost = estimate_cost(A, T)
        assert (cost.factor_entries, cost.operations) == pytest.approx(counted(A, T), rel=1e-14)


@pytest.mark.parametrize("at", [0, 7, 59])
def test_hub(at):
    A = hub(60, at)
    cost = estimate_cost(A, tril(A))
    assert (cost.factor_entries, cost.operations) == pytest.approx(counted(A, tril(A)), rel=1e-14)
    if at == 0:
        assert cost.factor_entries == 60 * 59 // 2


def test_estimate_of_a_large_hub_takes_memory_of_the_order_of_n():
    """8e8 entries and 5e13 operations, found within 1 GiB and a few seconds."""
    script = """
import resource
import numpy as np, scipy.sparse as sp
from precondbench.factors import estimate_cost, lower_pattern
from precondbench.matrices import check_spd_candidate
n = 40000
A = sp.coo_array((np.ones(n - 1), (np.zeros(n - 1, int), np.arange(1, n))), shape=(n, n))
A = check_spd_candidate(A + A.T + 2.0 * n * sp.eye_array(n))
T = lower_pattern(sp.tril(A, format="csr"))
estimate_cost(check_spd_candidate(np.eye(3)), lower_pattern(np.eye(3)))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), used + (1 << 30)))
cost = estimate_cost(A, T)
assert cost.factor_entries == n * (n - 1) // 2, cost
assert 5e13 < cost.operations < 6e13, cost
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=300)


def test_a_clique_that_does_not_fit_is_refused_before_it_is_made(monkeypatch):
    monkeypatch.setattr("precondbench.factors.inverse.plan.available_memory", lambda: 10**6)
    A = hub(400)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for call in (lambda: invk(A), lambda: plan_elimination(A, tril(A))):
        with pytest.raises(CostError, match="column 0 of the pattern has 400 entries"):
            call()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
    # The hub last: no column of L is long.
    assert invk(hub(400, 399)).nnz == 799


def test_long_columns_are_ordered_without_their_pairs(monkeypatch):
    """The counts stay those of the order that was found."""
    monkeypatch.setattr("precondbench.factors.inverse.plan.FEW_PAIRS", 0)
    monkeypatch.setattr("precondbench.factors.inverse.plan.PAIRS", 1)
    for at in (0, 30):
        A = hub(80, at)
        cost = estimate_cost(A, tril(A))
        assert cost.factor_entries >= 80 * 79 // 2 - at * 80
        assert cost.factor_entries >= counted(A, tril(A))[0]
