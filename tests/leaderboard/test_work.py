"""Steps of PCG counted from the structure of what they are preconditioned with."""

import math

import numpy as np
import pytest
from scipy.sparse import csr_array, diags_array, eye_array
from scipy.sparse.linalg import LinearOperator

from precondbench import Pair, ic0
from precondbench.factors import fsai, minimum_degree
from precondbench.leaderboard.timing.work import (
    Work,
    work_of_operator,
    work_of_product,
    work_of_step,
)
from precondbench.matrices import poisson_1d, tridiagonal_csr
from precondbench.quality import SymmetricProblem
from precondbench.solvers import (
    Deflation,
    FactoredInverse,
    SparseInverse,
    additive_schwarz,
    after_reordering,
    chebyshev,
    exact_cholesky,
    smoothed_aggregation,
    subdomain_deflation,
)


def step(A, given):
    problem = SymmetricProblem.of(Pair("A", A, None))
    values = given if given is None or callable(given) else problem.place(given)
    return work_of_step(problem, values)


def beside(A):
    """What every step has."""
    return step(A, None)


def test_a_product_moves_the_matrix_and_two_vectors():
    A = csr_array(eye_array(8, format="csr"))
    assert work_of_product(A) == Work(8 * 12 + 9 * 4 + 2 * 8 * 8, 0, 1)
    assert work_of_product(csr_array(np.ones((8, 8)))).levels == math.log2(8) + 1


def test_a_step_without_a_preconditioner(poisson_2d):
    A = poisson_2d(16)
    n, product = A.shape[0], work_of_product(A)
    assert beside(A) == product + Work(12 * 8 * n, 0, 2 * (math.ceil(math.log2(n)) + 1))


def test_substitutions_with_a_bidiagonal_factor_are_one_chain():
    A = tridiagonal_csr(poisson_1d(50))
    work = step(A, ic0(A))
    assert work.links == 2 * 49
    assert work.levels - beside(A).levels == 2 * 50
    assert work.bytes - beside(A).bytes == 2 * (49 * 12 + 50 * 4 * 8)


def test_a_diagonal_has_no_chain():
    A = tridiagonal_csr(poisson_1d(50))
    jacobi = step(A, SparseInverse(diags_array(1.0 / A.diagonal())))
    assert jacobi.links == 0
    assert jacobi.levels == beside(A).levels + 1


@pytest.mark.parametrize("m", [4, 9])
def test_levels_of_a_grid_are_its_diagonals(poisson_2d, m):
    A = poisson_2d(m)
    work = step(A, ic0(A))
    assert work.levels - beside(A).levels == 2 * (2 * m - 1)
    # In each line of the grid all nodes but the first wait for the one before.
    assert work.links == 2 * m * (m - 1)


def test_another_order_has_fewer_levels(poisson_2d):
    A = poisson_2d(20)
    moved = step(A, after_reordering(A, minimum_degree, ic0))
    assert moved.levels < step(A, ic0(A)).levels
    assert moved.bytes > step(A, ic0(A)).bytes


def test_operators_of_the_library(poisson_2d):
    A = poisson_2d(20)
    ones = np.ones((400, 1))
    G = fsai(A)
    two = work_of_product(csr_array(G)) + work_of_product(csr_array(csr_array(G).T))
    assert work_of_operator(FactoredInverse(G)) == two + Work(calls=2)
    assert work_of_operator(chebyshev(A, 0)).levels == 1
    four, two = (work_of_operator(chebyshev(A, k)) for k in (4, 2))
    assert four.bytes - two.bytes == 2 * (work_of_product(A).bytes + 5 * 8 * 400)
    exact = work_of_operator(exact_cholesky(A))
    assert exact.bytes > step(A, ic0(A)).bytes
    cycle = smoothed_aggregation(A)
    assert work_of_operator(cycle).bytes > 3 * work_of_product(A).bytes
    factor = after_reordering(A, minimum_degree, ic0)
    around = work_of_operator(subdomain_deflation(A, M=factor))
    assert around.bytes > work_of_operator(factor).bytes
    assert around.levels > work_of_operator(factor).levels
    patches = additive_schwarz(A, size=50)
    assert work_of_operator(patches).levels < exact.levels
    assert work_of_operator(additive_schwarz(A, ones, size=50)).bytes > (
        work_of_operator(patches).bytes
    )


def test_operators_are_called_from_python(poisson_2d):
    A = poisson_2d(8)
    assert step(A, None).calls == step(A, ic0(A)).calls == 0
    one, two = SparseInverse(diags_array(1.0 / A.diagonal())), FactoredInverse(fsai(A))
    assert step(A, two).calls == step(A, one).calls + 1 > 1
    assert step(A, smoothed_aggregation(A)).calls > step(A, two).calls


def test_what_is_not_known(poisson_2d):
    A = poisson_2d(4)
    unknown = LinearOperator(A.shape, matvec=lambda r: r, dtype=float)
    assert step(A, unknown) is None
    assert step(A, lambda r: r) is None
    assert work_of_operator(Deflation(A, np.ones((16, 1)), unknown)) is None
