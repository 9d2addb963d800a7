"""Supernodal selected inversion, compared with extended precision and the simplicial method."""

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from precondbench import invk
from precondbench.errors import BreakdownError
from precondbench.factors import (
    analyse,
    invk_report,
    invk_values,
    lower_pattern,
    minimum_degree,
    selected_inverse,
)
from precondbench.factors.cholesky.dense import _thread_setters, one_thread
from precondbench.factors.cholesky.supernodal import factorise_blocks, solve_blocks
from precondbench.factors.inverse.accuracy import identity_residual
from precondbench.factors.inverse.plan import inversion_graph
from precondbench.factors.inverse.supernodal import invert_blocks
from precondbench.factors.symbolic.supernodes import WIDEST, find_supernodes, split_tree
from precondbench.factors.symbolic.tree import column_counts, postordered
from precondbench.matrices import check_spd_candidate, formula_matrix


def columnwise_error(L, reference) -> float:
    difference = np.linalg.norm((L - reference).toarray(), axis=0)
    return float(np.max(difference / np.linalg.norm(reference.toarray(), axis=0)))


def exact_invk(A) -> sp.csr_array:
    """From the definition, in 60 digits."""
    dense, n = A.toarray(), A.shape[0]
    L = np.zeros((n, n))
    with mpmath.workdps(60):
        B = mpmath.matrix(dense.tolist()) ** -1
        for i in range(n):
            s = [int(j) for j in np.flatnonzero(dense[:, i]) if j >= i]
            block = mpmath.matrix([[B[j, k] for k in s] for j in s])
            v = mpmath.lu_solve(block, mpmath.matrix([1] + [0] * (len(s) - 1)))
            L[s, i] = [float(entry / mpmath.sqrt(v[0])) for entry in v]
    return sp.csr_array(L)


def poisson_3d(m: int) -> sp.csr_array:
    one = np.ones(m)
    T = sp.diags_array([-one[1:], 2 * one, -one[1:]], offsets=[-1, 0, 1])
    eye = sp.eye_array(m)
    plane = sp.kron(T, eye) + sp.kron(eye, T)
    return sp.csr_array(sp.kron(plane, eye) + sp.kron(sp.eye_array(m * m), T))


def supernodes_of(A):
    pattern = lower_pattern(sp.tril(A))
    graph = inversion_graph(A, pattern)
    return graph, pattern, find_supernodes(graph, minimum_degree(graph))


@pytest.mark.parametrize("seed", range(3))
def test_random_against_60_digits(random_spd, seed):
    A = random_spd(30, seed, density=0.2)
    assert columnwise_error(invk(A, method="supernodal"), exact_invk(A)) < 1e-13


def test_poisson_against_60_digits(poisson_2d):
    for A in (poisson_2d(6), poisson_3d(3)):
        assert columnwise_error(invk(A, method="supernodal"), exact_invk(A)) < 1e-13


@pytest.mark.parametrize(
    "case", ["2D", "3D", "HB/gr_30_30", "JGD_Trefethen/Trefethen_700", "pattern"]
)
def test_agrees_with_simplicial_and_has_unit_diagonal(case, poisson_2d):
    A = {"2D": lambda: poisson_2d(60), "3D": lambda: poisson_3d(14)}.get(
        case, lambda: poisson_2d(20) if case == "pattern" else formula_matrix(case)
    )()
    pattern = sp.tril(A @ A @ A, format="csr") if case == "pattern" else None
    report = invk_report(A, pattern, method="supernodal")
    assert report.method == "supernodal"
    assert report.residual < 1e-12
    assert report.diagonal_error < 1e-12
    assert report.probes == 6
    assert columnwise_error(report.factor, invk(A, pattern, method="simplicial")) < 1e-11


@pytest.mark.parametrize(
    ("group", "name"),
    [("HB", "bcsstk08"), ("Boeing", "msc01440"), ("HB", "bcsstk27"), ("HB", "nos7")],
)
def test_agrees_with_simplicial_on_real_matrices(mirror, group, name):
    entry = next(e for e in mirror.entries() if (e.group, e.name) == (group, name))
    if not mirror.has(entry):
        pytest.skip(f"the mirror lacks {group}/{name}")
    A = mirror.matrix(entry)
    report = invk_report(A, method="supernodal")
    assert report.diagonal_error < 1e-9
    assert columnwise_error(report.factor, invk(A, method="simplicial")) < 1e-7


@pytest.mark.parametrize("kind", ["one", "diagonal", "disconnected", "dense row", "dense", "chain"])
def test_edge_cases(kind, random_spd, poisson_2d):
    n = 700
    arrow = sp.lil_array(sp.diags_array(np.linspace(n, 2 * n, n)))
    arrow[0, 1:] = arrow[1:, 0] = 1.0
    A = {
        "one": np.array([[7.0]]),
        "diagonal": np.diag(np.arange(1.0, 900.0)),
        "disconnected": sp.block_diag(
            [poisson_2d(25), np.eye(3), random_spd(50, 1), poisson_3d(7)]
        ),
        "dense row": arrow,
        # Wider than a panel, so that several of them and their tiles are met.
        "dense": np.eye(2 * WIDEST + 50) * 1200 + 1.0,
        "chain": sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(5000, 5000)),
    }[kind]
    A = check_spd_candidate(A)
    # A full column of the pattern costs the simplicial way a cube; a part of it will do.
    pattern = sp.tril(sp.triu(A, -3), format="csr") if kind == "dense" else None
    report = invk_report(A, pattern, method="supernodal")
    assert report.residual < 1e-10
    reference = invk(A, pattern, method="simplicial")
    assert columnwise_error(report.factor[:, :300], reference[:, :300]) < 1e-9


def test_dense_matrix_gives_its_cholesky_factor():
    rng = np.random.default_rng(3)
    A = np.cov(rng.standard_normal((300, 900)))
    L = invk(A, method="supernodal")
    np.testing.assert_allclose(L.toarray(), np.linalg.cholesky(A), rtol=1e-9, atol=1e-12)


def test_no_pivot_names_the_column():
    A = sp.csr_array(poisson_3d(6) - 3.0 * sp.eye_array(216))
    with pytest.raises(BreakdownError, match=r"not positive definite: .* at column"):
        invk(A, method="supernodal")


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 60), density=st.floats(0.0, 0.4))
def test_structure_is_that_of_the_factor(seed, n, density):
    """Counts equal those of the simplicial analysis; blocks hold every entry of the factor."""
    rng = np.random.default_rng(seed)
    dense = rng.random((n, n)) < density
    graph = sp.csr_array((dense | dense.T | np.eye(n, dtype=bool)).astype(float))
    position = rng.permutation(n).astype(np.int64)
    order, parent, colptr, below = postordered(graph, position)
    reference = analyse(graph, order)
    np.testing.assert_array_equal(
        column_counts(parent, colptr, below), np.diff(reference.colptr) + 1
    )
    assert reference.nnz == analyse(graph, position).nnz
    nodes = find_supernodes(graph, position)
    for s in range(nodes.first.size - 1):
        rows = nodes.rows[nodes.rowptr[s] : nodes.rowptr[s + 1]]
        held = {*range(nodes.first[s], nodes.first[s + 1]), *rows.tolist()}
        for j in range(nodes.first[s], nodes.first[s + 1]):
            assert set(reference.rows[reference.colptr[j] : reference.colptr[j + 1]]) <= held
        above = nodes.parent[s]
        if rows.size:
            inside = set(range(nodes.first[above], nodes.first[above + 1]))
            inside |= set(nodes.rows[nodes.rowptr[above] : nodes.rowptr[above + 1]].tolist())
            assert set(rows.tolist()) <= inside


def test_split_covers_all_supernodes_once():
    _, _, nodes = supernodes_of(poisson_3d(14))
    split = split_tree(nodes)
    everything = np.concatenate([*split.parts, *(run for run, _ in split.top)])
    np.testing.assert_array_equal(np.sort(everything), np.arange(nodes.first.size - 1))
    assert len(split.parts) > 1
    for part in split.parts:
        assert nodes.parent[part[-1]] == -1 or nodes.parent[part[-1]] not in part


def test_threads_change_no_bit():
    A = poisson_3d(18)
    one, three = (invk(A, method="supernodal", workers=k) for k in (1, 3))
    np.testing.assert_array_equal(one.data, three.data)


def test_solve_and_blas_threads_are_restored():
    setters = _thread_setters()
    A = poisson_3d(10)
    _, _, nodes = supernodes_of(A)
    before = setters and setters[0]()
    factor = factorise_blocks(A, nodes, workers=2)
    right = np.random.default_rng(0).standard_normal((1000, 3))
    np.testing.assert_allclose(A @ solve_blocks(factor, right), right, atol=1e-12)
    with one_thread, one_thread:
        assert setters is None or setters[0]() == 1
    assert setters is None or setters[0]() == before


def test_identity_residual_sees_one_wrong_entry():
    A = poisson_3d(8)
    _, pattern, nodes = supernodes_of(A)
    Z = invert_blocks(factorise_blocks(A, nodes))
    assert identity_residual(A, Z) < 1e-13
    Z.values[Z.supernodes.block[3]] *= 1 + 1e-5
    assert identity_residual(A, Z) > 1e-6
    simplicial = selected_inverse(A, pattern)
    assert identity_residual(A, simplicial) < 1e-13
    simplicial.diagonal[5] = np.nan
    assert identity_residual(A, simplicial) == np.inf


def test_simplicial_is_the_published_way(poisson_2d):
    """Whatever is added around it, method="simplicial" runs the kernels of the labels."""
    from precondbench.factors import scale_symmetrically
    from precondbench.matrices import power_of_two_scaling

    A = check_spd_candidate(poisson_2d(50))
    pattern = lower_pattern(sp.tril(A))
    scale = power_of_two_scaling(A.diagonal())
    values = invk_values(selected_inverse(scale_symmetrically(A, scale), pattern), pattern)
    values /= np.repeat(scale, np.diff(pattern.indptr))
    np.testing.assert_array_equal(invk(A, method="simplicial").data, values)
