"""Preconditioners of every form as operators, the probe of operators, residuals by steps."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, bicg, cg
from scipy.sparse.linalg import gmres as scipy_gmres

from precondbench import gmres, ic0, ilu0, invk, pcg
from precondbench.errors import ConfigurationError, MatrixError
from precondbench.matrices import formula_matrix
from precondbench.solvers import (
    SparseInverse,
    additive_schwarz,
    as_preconditioner,
    exact_cholesky,
    fault_of,
    smoothed_aggregation,
    spai,
    subdomain_deflation,
)


def skew(A):
    return sp.csr_array(A + 0.3 * sp.triu(A, 1) - 0.2 * sp.tril(A, -1))


@pytest.mark.parametrize("factor", [invk, ic0])
def test_scipy_needs_as_many_iterations(factor):
    A = formula_matrix("HB/gr_30_30")
    b = np.random.default_rng(0).uniform(-1, 1, 900)
    L = factor(A)
    steps = []
    x, failed = cg(A, b, rtol=1e-8, M=as_preconditioner(L), callback=steps.append)
    assert failed == 0
    assert len(steps) == pcg(A, b, L).iterations
    np.testing.assert_allclose(x, pcg(A, b, L).x, rtol=1e-6)


def test_pyamg_takes_it():
    krylov = pytest.importorskip("pyamg.krylov")
    A = formula_matrix("HB/gr_30_30")
    b = np.random.default_rng(0).uniform(-1, 1, 900)
    residuals = []
    _, failed = krylov.cg(A, b, tol=1e-8, M=as_preconditioner(invk(A)), residuals=residuals)
    assert failed == 0
    assert len(residuals) - 1 <= pcg(A, b, invk(A)).iterations + 1


def test_factors_of_every_form_are_the_same_operator(poisson_2d):
    A = poisson_2d(9)
    b = np.random.default_rng(0).uniform(-1, 1, 81)
    L = ic0(A)
    for given in (L, L.tocsc(), L.toarray(), (L, L.T)):
        M = as_preconditioner(given)
        np.testing.assert_allclose(M @ (L @ (L.T @ b)), b, rtol=1e-12)
    # The diagonal of U moves to L, and with it rounding.
    assert gmres(A, b, M=as_preconditioner((L, L.T))).iterations == gmres(A, b, L, L.T).iterations
    assert pcg(A, b, M=as_preconditioner(L)).iterations == pcg(A, b, L).iterations
    M = SparseInverse(A)
    assert as_preconditioner(M) is M


def test_a_pair_in_the_solvers_of_scipy(poisson_2d):
    A = skew(poisson_2d(12))
    b = np.random.default_rng(0).uniform(-1, 1, 144)
    M = as_preconditioner(ilu0(A))
    for solve in (scipy_gmres, bicg):  # The second takes the transpose as well.
        x, failed = solve(A, b, rtol=1e-10, M=M)
        assert failed == 0
        np.testing.assert_allclose(A @ x, b, atol=1e-7)
    np.testing.assert_allclose(M.T @ np.eye(144), (M @ np.eye(144)).T, atol=1e-12)
    np.testing.assert_array_equal(gmres(A, b, M=M).iterations, gmres(A, b, *ilu0(A)).iterations)


def test_what_is_no_preconditioner():
    with pytest.raises(MatrixError, match="M is a function; give n"):
        as_preconditioner(np.cbrt)
    np.testing.assert_array_equal(as_preconditioner(np.cbrt, 2) @ [8.0, 27.0], np.cbrt([8.0, 27.0]))
    with pytest.raises(MatrixError, match="a tuple of 3"):
        as_preconditioner((1, 2, 3))
    with pytest.raises(MatrixError):
        as_preconditioner(np.ones((2, 2)))


@pytest.mark.parametrize("solve", [pcg, gmres])
def test_functions_need_the_flexible_form(solve, poisson_2d):
    A = poisson_2d(8)
    b = np.random.default_rng(0).uniform(-1, 1, 64)
    inner = lambda r: pcg(A, r, maxiter=4).x  # noqa: E731
    with pytest.raises(MatrixError, match="flexible=True"):
        solve(A, b, M=inner)
    found = solve(A, b, M=inner, flexible=True)
    wrapped = solve(A, b, M=as_preconditioner(inner, 64), flexible=True)
    np.testing.assert_array_equal(found.x, wrapped.x)
    assert found.status == "converged"
    with pytest.raises(MatrixError, match=r"returns shape \(63,\) for r of shape \(64,\)"):
        solve(A, b, M=lambda r: r[1:], flexible=True)
    with pytest.raises(MatrixError, match="complex"):
        solve(A, b, M=lambda r: r * 1j, flexible=True)


def scaled_identity(n, factor):
    return lambda r: factor * r


def test_the_probe_finds_what_pcg_cannot_use(poisson_2d):
    A = poisson_2d(12)
    n = 144
    D = 1 / A.diagonal()
    lower = sp.tril(A, format="csr")
    assert "not symmetric" in fault_of(lambda r: sp.linalg.spsolve_triangular(lower, r), n)
    assert "not symmetric" in fault_of(lambda r: D * r + 1e-3 * np.roll(r, 1), n)
    assert "not symmetric" in fault_of(lambda r: pcg(A, r, maxiter=4).x, n)
    assert "flexible PCG" in fault_of(np.cbrt, n)
    for factor in (-1.0, -1e-300, -1e300, 0.0):
        assert "not positive definite" in fault_of(scaled_identity(n, factor), n)
    for factor in (1.0, 1e-300, 1e300):
        assert fault_of(scaled_identity(n, factor), n) == ""
    # What is not finite is left to the solver.
    assert fault_of(lambda r: r * np.nan, n) == ""
    assert fault_of(scaled_identity(1, 2.0), 1) == ""


def neumann(m, shift):
    """Five-point Laplacian without boundary, shifted: as ill-conditioned as wanted."""
    one = np.ones(m)
    T = sp.diags_array([-one[1:], 2 * one, -one[1:]], offsets=[-1, 0, 1]).toarray()
    T[0, 0] = T[-1, -1] = 1.0
    return sp.csr_array(sp.kron(T, np.eye(m)) + sp.kron(np.eye(m), T) + shift * np.eye(m * m))


@pytest.mark.parametrize("shift", [1e-4, 1e-10, 1e-13, 5e-15])
@pytest.mark.parametrize(
    "method",
    [
        exact_cholesky,
        lambda A: as_preconditioner(ic0(A)),
        spai,
        smoothed_aggregation,
        subdomain_deflation,
        additive_schwarz,
    ],
)
@pytest.mark.parametrize("kind", ["double", "single"])
def test_the_probe_forgives_rounding(shift, method, kind):
    """Also that of operators in single precision."""
    M = method(neumann(14, shift))
    short = np.float64 if kind == "double" else np.float32

    def apply(r):
        return (M @ r.astype(short).astype(float)).astype(short).astype(float)

    assert fault_of(apply, 196) == ""


def test_the_probe_leaves_no_trace(poisson_2d):
    """Vectors are new ones each time."""
    given = []

    def apply(r):
        given.append(r)
        r *= 2.0
        return r

    assert fault_of(apply, 5) == ""
    assert len({id(r) for r in given}) == 6


@pytest.mark.parametrize("way", ["none", "factor", "operator", "flexible"])
@pytest.mark.parametrize("solve", [pcg, gmres])
def test_residuals_on_request_change_nothing(solve, way, poisson_2d):
    A = poisson_2d(14)
    b = np.random.default_rng(3).uniform(-1, 1, 196)
    factors = (ic0(A),) if solve is pcg else ilu0(A)
    M = as_preconditioner(ic0(A))
    arguments = {
        "none": ((), {}),
        "factor": (factors, {}),
        "operator": ((), {"M": M}),
        "flexible": ((), {"M": M, "flexible": True}),
    }[way]
    for limits in ({}, {"maxiter": 5}, {"maxiter": 0}, {"rtol": 1e-3}):
        if solve is gmres:
            limits = {"restart": 7, **limits}
        told = []
        plain = solve(A, b, *arguments[0], **arguments[1], **limits)
        watched = solve(
            A, b, *arguments[0], **arguments[1], **limits, history=True,
            callback=lambda *step, told=told: told.append(step),
        )  # fmt: skip
        np.testing.assert_array_equal(plain.x, watched.x)
        assert (plain.iterations, plain.status, plain.residual) == (
            watched.iterations,
            watched.status,
            watched.residual,
        )
        assert plain.history is None
        assert watched.history.shape == (watched.iterations + 1,)
        assert watched.history[0] == 1.0
        assert told == list(enumerate(watched.history.tolist()))[1:]
        assert watched.history[-1] == pytest.approx(watched.residual, rel=1e-3)


@pytest.mark.parametrize("solve", [pcg, gmres])
def test_residuals_of_unusual_solves(solve):
    assert solve(np.eye(2), [0.0, 0.0], history=True).history.tolist() == [0.0]
    assert solve(np.eye(2), [1.0, 0.0], callback=lambda *_: None).history is None
    with pytest.raises(ConfigurationError, match="callback is 5"):
        solve(np.eye(2), [1.0, 0.0], callback=5)
    broken = LinearOperator((2, 2), matvec=lambda r: r * np.nan, dtype=float)
    found = solve(np.eye(2), [1.0, 1.0], M=broken, history=True)
    assert found.history.size == found.iterations + 1
