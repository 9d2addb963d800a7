"""Flexible PCG and GMRES: the plain solvers for a fixed M, and right where M varies."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator

from precondbench import gmres, ic0, pcg
from precondbench.matrices import check_general, formula_matrix
from precondbench.solvers import after_reordering, gmres_operator, pcg_operator


def skew(A):
    return sp.csr_array(A + 0.3 * sp.triu(A, 1) - 0.2 * sp.tril(A, -1))


def varying(A, steps=(2, 9)):
    """Two and nine steps of Richardson's iteration, in turn."""
    d = 1 / A.diagonal()
    calls = []

    def apply(r):
        calls.append(1)
        z = d * r
        for _ in range(steps[len(calls) % len(steps)]):
            z = z + 0.9 * d * (r - A @ z)
        return z

    return LinearOperator(A.shape, matvec=apply, dtype=float)


def inner(A, steps):
    """``steps`` of conjugate gradients: a function of r that is not linear."""
    return LinearOperator(A.shape, matvec=lambda r: pcg(A, r, maxiter=steps).x, dtype=float)


@pytest.mark.parametrize("step", [1, -1])
def test_a_fixed_m_takes_the_steps_of_the_plain_solver(step, poisson_2d):
    A = poisson_2d(20)
    b = np.random.default_rng(0).uniform(-1, 1, 400)
    M = after_reordering(A, lambda A: np.arange(400)[::step], ic0)
    plain, flexible = pcg(A, b, M=M), pcg(A, b, M=M, flexible=True)
    assert plain.iterations == flexible.iterations
    np.testing.assert_allclose(plain.x, flexible.x, rtol=1e-6)
    S = skew(A)
    plain, flexible = gmres(S, b, M=M, restart=60), gmres(S, b, M=M, restart=60, flexible=True)
    assert plain.iterations == flexible.iterations
    np.testing.assert_allclose(plain.x, flexible.x, rtol=1e-6)


def test_pcg_with_an_m_that_varies(poisson_2d):
    A = poisson_2d(24)
    b = np.random.default_rng(1).uniform(-1, 1, 576)
    plain = pcg(A, b, M=varying(A), maxiter=300)
    flexible = pcg(A, b, M=varying(A), maxiter=300, flexible=True)
    assert flexible.status == "converged"
    assert plain.status != "converged" or plain.iterations > 1.5 * flexible.iterations
    np.testing.assert_allclose(A @ flexible.x, b, atol=1e-6)


@pytest.mark.parametrize("steps", [3, 8, 20])
def test_pcg_inside_pcg(steps, poisson_2d):
    A = poisson_2d(24)
    b = np.random.default_rng(1).uniform(-1, 1, 576)
    plain = pcg(A, b, M=inner(A, steps), maxiter=400)
    flexible = pcg(A, b, M=inner(A, steps), maxiter=400, flexible=True)
    assert flexible.status == "converged"
    assert flexible.iterations <= plain.iterations
    assert flexible.iterations * steps <= 4 * pcg(A, b).iterations


def test_gmres_with_an_m_that_varies(poisson_2d):
    """The plain solver takes z from the basis anew, and its M is another by then."""
    A = skew(poisson_2d(20))
    b = np.random.default_rng(2).uniform(-1, 1, 400)
    plain = gmres(A, b, M=varying(A))
    flexible = gmres(A, b, M=varying(A), flexible=True)
    assert plain.status == "stagnated"
    assert flexible.status == "converged"
    assert flexible.residual < 2e-8
    np.testing.assert_allclose(A @ flexible.x, b, atol=1e-6)


def test_fgmres_finds_the_best_x_of_its_space():
    """The residual is the least over the span of the z that were used."""
    A = check_general(skew(formula_matrix("HB/gr_30_30")[:40, :40]))
    used = []

    def apply(r):
        z = np.cbrt(r) + np.roll(r, len(used))
        used.append(z)
        return z

    b = np.random.default_rng(0).uniform(-1, 1, 40)
    for steps in (1, 4, 9):
        used.clear()
        found = gmres_operator(A, b[:, None], apply, 1e-12, steps, flexible=True)
        Z = np.stack(used, axis=1)
        assert Z.shape[1] == steps
        y = np.linalg.lstsq(A @ Z, b, rcond=None)[0]
        best = np.linalg.norm(b - A @ (Z @ y)) / np.linalg.norm(b)
        assert found.residual[0] == pytest.approx(best, rel=1e-8)


def test_flexible_beta_is_that_of_polak_and_ribiere(poisson_2d):
    """Two steps by hand."""
    A = poisson_2d(5).toarray()
    b = np.linspace(0.5, 0.9, 25)
    M = lambda r: r + 0.1 * r**2  # noqa: E731
    z = M(b)
    alpha = b @ z / (z @ A @ z)
    x, r = alpha * z, b - alpha * A @ z
    following = M(r)
    p = following + following @ (r - b) / (b @ z) * z
    x = x + r @ following / (p @ A @ p) * p
    found = pcg(A, b, M=LinearOperator(A.shape, matvec=M, dtype=float), maxiter=2, flexible=True)
    np.testing.assert_allclose(found.x, x, rtol=1e-12)


@pytest.mark.parametrize("flexible", [False, True])
def test_sides_of_an_operator_are_those_of_each_alone(flexible, poisson_2d):
    A = check_general(poisson_2d(8))
    b = np.random.default_rng(0).uniform(-1, 1, (64, 5))
    for solve in (pcg_operator, gmres_operator):
        together = solve(A, b, np.cbrt, flexible=flexible, maxiter=200)
        for k in range(5):
            alone = solve(A, b[:, k : k + 1], np.cbrt, flexible=flexible, maxiter=200)
            assert together.iterations[k] == alone.iterations[0]
            np.testing.assert_array_equal(together.x[:, k], alone.x[:, 0])
