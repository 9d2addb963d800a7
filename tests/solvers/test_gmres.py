"""GMRES: comparison with SciPy, exact answers, statuses, and reproducibility."""

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, spsolve_triangular
from scipy.sparse.linalg import gmres as scipy_gmres

from precondbench import gmres, ilu0, pcg
from precondbench.errors import ConfigurationError, MatrixError
from precondbench.matrices import (
    LAWS,
    check_general,
    draw,
    formula_matrix,
    tridiagonal_csr,
)
from precondbench.quality import Pair, problem_of
from precondbench.solvers.minimal_residual import RESTART


def convection_diffusion(m, wind=20.0):
    """Central differences of -laplace(u) + wind (u_x + u_y) on an m x m grid."""
    h = wind / (2 * (m + 1))
    one = np.ones(m - 1)
    T = sp.diags_array([(-1 - h) * one, 2 * np.ones(m), (-1 + h) * one], offsets=[-1, 0, 1])
    eye = sp.eye_array(m)
    return sp.csr_array(sp.kron(T, eye) + sp.kron(eye, T))


def scipy_count(A, b, L=None, U=None):
    """Steps of SciPy's GMRES without restart on A (L U)^-1."""
    n = b.size

    def apply(y):
        if L is None:
            return A @ y
        z = spsolve_triangular(sp.csr_array(L), y, lower=True)
        return A @ spsolve_triangular(sp.csr_array(U), z, lower=False)

    steps = []
    operator = LinearOperator((n, n), matvec=apply, dtype=np.float64)
    _, info = scipy_gmres(
        operator, b, rtol=1e-8, atol=0.0, restart=n, maxiter=1,
        callback=steps.append, callback_type="pr_norm",
    )  # fmt: skip
    assert info == 0
    return len(steps)


@pytest.mark.parametrize("wind", [1.0, 20.0, 200.0])
def test_counts_are_scipys_without_restart(wind):
    A = convection_diffusion(12, wind)
    b = np.random.default_rng(1).uniform(-1, 1, A.shape[0])
    L, U = ilu0(A)
    plain = gmres(A, b, restart=A.shape[0])
    assert plain.status == "converged"
    # At wind 200 the residual stays near 1e-8 for three steps: 75 in extended precision, 77 to 79
    # in double, by the order of the sums.
    assert abs(plain.iterations - scipy_count(A, b)) <= (2 if wind == 200.0 else 0)
    preconditioned = gmres(A, b, L, U, restart=A.shape[0])
    assert preconditioned.iterations == scipy_count(A, b, L, U)
    assert preconditioned.iterations < plain.iterations
    np.testing.assert_allclose(A @ preconditioned.x, b, atol=1e-6)
    assert preconditioned.residual <= 1.01e-8


def test_exact_factors_need_one_step():
    sample = draw(LAWS["lu"]["growth"], 200, 3)
    A = tridiagonal_csr(sample.matrix)
    result = gmres(A, np.ones(200), *ilu0(A))
    assert (result.iterations, result.status) == (1, "converged")


def test_an_l_without_unit_diagonal_is_the_same_product():
    A = convection_diffusion(8)
    L, U = ilu0(A)
    d = sp.diags_array(2.0 ** np.random.default_rng(0).integers(-5, 5, 64))
    inverse = sp.diags_array(1.0 / d.diagonal())
    b = np.arange(64.0)
    first, second = gmres(A, b, L, U), gmres(A, b, L @ d, inverse @ U)
    assert first.iterations == second.iterations
    np.testing.assert_array_equal(first.x, second.x)


def test_an_operator_takes_the_same_steps():
    A = convection_diffusion(10)
    L, U = ilu0(A)

    def apply(r):
        z = spsolve_triangular(sp.csr_array(L), r, lower=True)
        return spsolve_triangular(sp.csr_array(U), z, lower=False)

    b = np.ones(100)
    operator = LinearOperator(A.shape, matvec=apply, dtype=np.float64)
    assert gmres(A, b, M=operator).iterations == gmres(A, b, L, U).iterations


def test_restarts_cost_steps_and_still_converge():
    A = convection_diffusion(20)
    b = np.random.default_rng(2).uniform(-1, 1, 400)
    whole, short = gmres(A, b, restart=400), gmres(A, b, restart=10)
    assert whole.status == short.status == "converged"
    assert short.iterations > whole.iterations > 10
    assert RESTART == 50


def test_gmres_on_spd_matrices_needs_about_as_many_steps_as_pcg():
    A = formula_matrix("HB/gr_30_30")
    b = np.random.default_rng(2).uniform(-1, 1, 900)
    from precondbench import ic0

    assert abs(gmres(A, b, *ilu0(A)).iterations - pcg(A, b, ic0(A)).iterations) <= 4


def test_statuses():
    A = convection_diffusion(10)
    b = np.ones(100)
    assert gmres(A, b, maxiter=3).status == "iteration-limit"
    assert gmres(A, b, maxiter=3).iterations == 3
    assert gmres(A, np.zeros(100)).iterations == 0
    # A rotation: every cycle shorter than n gains nothing at all.
    rotation = sp.csr_array(np.roll(np.eye(8), 1, axis=0)) + 0.0 * sp.eye_array(8)
    shift = check_general((rotation).toarray())
    stuck = gmres(shift, np.eye(8)[0], restart=4)
    assert (stuck.status, stuck.iterations) == ("stagnated", 4)
    assert gmres(shift, np.eye(8)[0], restart=8).iterations == 8
    singular = gmres([[1.0, 0.0], [0.0, 0.0]], [0.0, 1.0])
    assert singular.status == "stagnated"
    broken = LinearOperator((100, 100), matvec=lambda r: r * np.nan, dtype=np.float64)
    assert gmres(A, b, M=broken).status == "stagnated"


def test_a_recurrence_that_lost_touch_is_no_convergence():
    """Solves so inaccurate that x, made from the basis, does not have the residual claimed."""
    calls = []

    def inconsistent(r):
        calls.append(1)
        return r * (1.0 if len(calls) % 2 else 1.5)

    operator = LinearOperator((4, 4), matvec=inconsistent, dtype=np.float64)
    result = gmres(np.diag([1.0, 1.0, 1.0, 1.0]), [1.0, 2.0, 3.0, 4.0], M=operator)
    assert result.status == "stagnated"
    assert result.residual == pytest.approx(0.5)


def test_faults():
    A = np.eye(3)
    for arguments, message in (
        (([1.0, 2.0],), "b has shape"),
        (([1.0, np.nan, 2.0],), "not finite"),
        ((np.ones(3), A), "both L and U"),
        ((np.ones(3), A, np.eye(2)), "U has shape"),
        ((np.ones(3), np.ones((3, 3)), A), "L reaches above"),
        ((np.ones(3), A, np.ones((3, 3))), "U reaches below"),
        ((np.ones(3), A, np.diag([1.0, 0.0, 1.0])), "U is singular: diagonal entry 1"),
        ((np.ones(3), A * np.nan, A), "L is not finite"),
    ):
        with pytest.raises(MatrixError, match=message):
            gmres(A, *arguments)
    with pytest.raises(ConfigurationError, match="restart is 0"):
        gmres(A, np.ones(3), restart=0)
    operator = LinearOperator((2, 2), matvec=lambda r: r, dtype=np.float64)
    with pytest.raises(MatrixError, match="M has"):
        gmres(A, np.ones(3), M=operator)
    with pytest.raises(MatrixError, match="one preconditioner"):
        gmres(A, np.ones(3), A, A, M=operator)


def test_scaled_and_raw_systems_take_the_same_steps():
    """Rows and columns scaled by powers of two: factors map exactly, so outcomes agree."""
    sample = draw(LAWS["lu"]["uniform"], 50, 4)
    A = tridiagonal_csr(sample.matrix)
    L, U = ilu0(A)
    system = problem_of(Pair("A", A, L, U))
    r, c = system.row_scale, system.column_scale
    np.testing.assert_array_equal(system.matrix.toarray(), r[:, None] * A.toarray() * c[None, :])
    together = L.toarray() - np.eye(50) + U.toarray()
    values = together[system.pattern.rows(), system.pattern.indices] * 1.01
    scaled_l, scaled_u = system.pattern.factors(system.scaled(values))
    expected_l, expected_u = system.pattern.factors(values)
    np.testing.assert_array_equal(
        scaled_l.toarray(), r[:, None] * expected_l.toarray() / r[None, :]
    )
    np.testing.assert_array_equal(
        scaled_u.toarray(), r[:, None] * expected_u.toarray() * c[None, :]
    )
    operator = LinearOperator(
        (50, 50),
        matvec=lambda x: np.linalg.solve(
            expected_u.toarray(), np.linalg.solve(expected_l.toarray(), x)
        ),
        dtype=np.float64,
    )
    assert abs(system.solve(operator).iterations - system.solve(values).iterations) <= 1


BITS = """
import hashlib
import numpy as np
from precondbench.factors import ic0, ilu0
from precondbench.matrices import LAWS, draw, formula_matrix, tridiagonal_csr
from precondbench.quality import Pair, problem_of
digest = hashlib.sha256()
for name in ("uniform", "convection"):
    A = tridiagonal_csr(draw(LAWS["lu"][name], 200, 1).matrix)
    system = problem_of(Pair(name, A, *ilu0(A)))
    for hops in (0, 1, 4):
        outcome = system.solve(system.window(hops), maxiter=500)
        digest.update(f"{outcome.status} {outcome.iterations} {outcome.residual!r}".encode())
A = formula_matrix("HB/gr_30_30")
system = problem_of(Pair("grid", A, ic0(A)))
digest.update(repr([system.solve(None), system.solve(system.place(ic0(A)))]).encode())
print(digest.hexdigest())
"""


def test_the_same_bits_on_two_cpu_targets_and_thread_counts(generic_cpu):
    digests = set()
    for threads, settings in (("1", generic_cpu), ("2", {})):
        environment = dict(os.environ, **settings)
        for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
            environment[variable] = threads
        done = subprocess.run(
            [sys.executable, "-c", BITS],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout)
    assert len(digests) == 1
