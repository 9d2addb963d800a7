"""The cost model: work of setups, and rates fitted to times."""

import math

import numpy as np
import pytest
from scipy.sparse import csr_array, eye_array

from precondbench import ic0
from precondbench.errors import ConfigurationError
from precondbench.factors import minimum_degree
from precondbench.leaderboard import classical_contenders, fit_model
from precondbench.leaderboard.timing import setup
from precondbench.leaderboard.timing.model import GPU, CostModel, Rates, log_r2
from precondbench.leaderboard.timing.times import Counted, TimedRow, Times
from precondbench.leaderboard.timing.work import Work, work_of_product
from precondbench.matrices import poisson_1d, tridiagonal_csr
from precondbench.quality import Context, Pair, set_up
from precondbench.solvers import after_reordering, exact_cholesky

TRUE = CostModel(
    "a machine",
    Rates(fixed=1e-4, byte=3e-10, link=4e-9, operation=2e-10),
    Rates(fixed=5e-6, byte=1e-10, link=3e-9, call=2e-6),
)


def counted(rng, operations):
    sizes = 10.0 ** rng.uniform(3, 8, 4)
    return Counted(
        bytes=int(sizes[0]), links=int(sizes[1] / 10), levels=int(sizes[2] / 1000),
        operations=int(sizes[3]) if operations else 0, calls=int(rng.integers(40)),
    )  # fmt: skip


def problem(rng, rows, noise, machine="a machine"):
    found = []
    for number in range(rows):
        of_setup, of_step = counted(rng, True), counted(rng, False)
        iterations = int(rng.integers(10, 500))
        wrong = np.exp(noise * rng.standard_normal(2))
        step = TRUE.step.seconds(of_step) * wrong[1]
        found.append(
            TimedRow(
                method=f"method {number}", kind="classical", status="converged",
                iterations=iterations, setup=[TRUE.setup.seconds(of_setup) * wrong[0]],
                solve={"1": [iterations * step]}, measured={"1": 1}, setup_work=of_setup,
                step_work=of_step,
            )
        )  # fmt: skip
    return Times(
        problem="p", rows_of_matrix=9, entries=9, digest="0" * 64, machine=machine, system="s",
        versions={}, date="2026-11-29", repeats=1, rows=found,
    )  # fmt: skip


def test_rates_are_recovered_from_the_times_that_they_give():
    rng = np.random.default_rng(1)
    model, r2 = fit_model([problem(rng, 15, 0.0) for _ in range(4)])
    for found, true in ((model.setup, TRUE.setup), (model.step, TRUE.step)):
        for rate in ("fixed", "byte", "link"):
            assert getattr(found, rate) == pytest.approx(getattr(true, rate), rel=1e-3)
    assert model.step.call == pytest.approx(TRUE.step.call, rel=1e-3)
    assert model.setup.operation == pytest.approx(TRUE.setup.operation, rel=1e-3)
    assert model.step.operation == model.step.level == 0.0
    assert min(r2.values()) > 0.999999


def test_noise_lowers_what_is_explained():
    rng = np.random.default_rng(2)
    little, much = (fit_model([problem(rng, 40, noise)])[1] for noise in (0.1, 1.5))
    assert all(much[part] < little[part] < 1.0 for part in little)
    assert little["step"] > 0.99


def test_a_constant_explains_nothing():
    measured = [1.0, 10.0, 100.0]
    assert log_r2([10.0] * 3, measured) == 0.0
    assert log_r2([1.0] * 3, measured) < 0.0


def test_times_of_two_machines_and_few_times_are_refused():
    rng = np.random.default_rng(3)
    with pytest.raises(ConfigurationError, match="2 machines"):
        fit_model([problem(rng, 9, 0.0), problem(rng, 9, 0.0, "another")])
    with pytest.raises(ConfigurationError, match="3 rows"):
        fit_model([problem(rng, 3, 0.0)])


def test_work_that_is_not_known_has_no_prediction():
    rng = np.random.default_rng(4)
    row = problem(rng, 1, 0.0).rows[0]
    assert TRUE.seconds(row) == pytest.approx(row.seconds(1))
    assert math.isnan(TRUE.seconds(row.model_copy(update={"step_work": None})))


def test_a_chain_is_dear_on_a_gpu():
    A = tridiagonal_csr(poisson_1d(10_000))
    (chain,) = [one for one in classical_contenders() if one.name == "IC(0)"]
    levels = chain.work(A, ic0(A)).levels
    assert levels == 10_000
    product = work_of_product(A)
    times = [
        GPU.step.seconds(Counted(bytes=product.bytes, links=0, levels=count, operations=0))
        for count in (product.levels, levels)
    ]
    assert times[1] > 1000 * times[0]


class TestSetup:
    """Known counts."""

    def test_a_diagonal(self):
        A = csr_array(eye_array(50, format="csr"))
        work = setup.incomplete(A, ic0(A))
        assert (work.links, work.levels, work.operations) == (0, 1, 50)
        assert setup.exact(A, None).operations == 0

    def test_a_tridiagonal_matrix(self):
        A = tridiagonal_csr(poisson_1d(50))
        work = setup.incomplete(A, ic0(A))
        # An entry walks along the row of its column, of two entries but for the first.
        assert work.operations == 99 + 97
        assert (work.links, work.levels) == (49, 50)
        reordered = after_reordering(A, minimum_degree, ic0)
        assert setup.incomplete_after_minimum_degree(A, reordered).levels < 30

    def test_a_dense_matrix(self):
        n = 30
        A = csr_array(np.full((n, n), 1.0) + n * np.eye(n))
        exact = setup.exact(A, exact_cholesky(A))
        assert exact.operations == sum(k * k for k in range(n)) // 2
        assert setup.rows_of_inverse(A, None).operations > exact.operations / 2
        assert setup.least_squares(A, None).operations == n**4

    @pytest.mark.parametrize("name", [one.name for one in classical_contenders()])
    def test_work_grows_with_the_matrix(self, poisson_2d, name):
        (one,) = [one for one in classical_contenders() if one.name == name]
        works = []
        for side in (12, 24):
            A = poisson_2d(side)
            given = set_up(one.method, Pair("A", A, None), Context("A"))
            works.append(one.work(A, given))
        if name == "none":
            assert works == [Work(), Work()]
        else:
            assert works[1].bytes > 3 * works[0].bytes
            assert works[1].operations >= works[0].operations
