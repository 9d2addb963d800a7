"""The network that chooses the order and the formula of a factor."""

import numpy as np
import pytest
import torch

from precondbench import ParametricInvK, invk, pcg
from precondbench.baselines import LearnedOrder
from precondbench.baselines.choice.fitting import CostTable
from precondbench.baselines.choice.orders import (
    CANDIDATES,
    NAMES,
    ORDERS,
    TRAINED,
    Ordered,
    order_table,
)
from precondbench.errors import ConfigurationError, MatrixError
from precondbench.factors import lower_part
from precondbench.matrices import check_spd_candidate, formula_matrix
from precondbench.quality import MAXITER, SymmetricProblem
from precondbench.recipes import FOLDS
from precondbench.solvers import after_reordering

GRID = formula_matrix("HB/gr_30_30")


def preferring(candidate):
    """A model that takes one candidate whenever it can: order and formula lower its score."""
    model = LearnedOrder(seed=None)
    with torch.no_grad():
        hidden, _, last = model.chooser.network
        hidden.weight.zero_()
        hidden.bias.zero_()
        for name in candidate:
            hidden.weight[0, NAMES.index(name) - 1] = 1.0
        last.weight[0, 0] = -1.0
    return model


@pytest.mark.parametrize("candidate", [one for one in CANDIDATES if one[1] == "Inv-K"])
def test_it_is_inv_k_in_each_order(candidate):
    model = preferring(candidate)
    found = model.setup(GRID)
    assert model.taken == candidate
    expected = after_reordering(GRID, ORDERS[candidate[0]], invk)
    b = np.ones(GRID.shape[0])
    np.testing.assert_allclose(found @ b, expected @ b, rtol=1e-8)
    assert found.entries == expected.entries == 2 * lower_part(GRID).nnz


def test_the_choice_does_not_depend_on_the_scaling():
    root = 2.0 ** (np.arange(GRID.shape[0]) % 7)
    scaled = check_spd_candidate(GRID.multiply(root[:, None]).multiply(root).tocsr())
    tables = [order_table([A]) for A in (GRID, scaled)]
    torch.testing.assert_close(tables[0].features, tables[1].features)
    assert torch.equal(tables[0].costs, tables[1].costs)


def test_costs_are_iterations_of_the_protocol():
    table = order_table([GRID])
    ordered = Ordered.of(check_spd_candidate(GRID), "given")
    outcome = SymmetricProblem(ordered.system.matrix).solve(ordered.system.ic0[0].data)
    assert torch.exp(table.costs[0, 0]).item() == pytest.approx(outcome.iterations)


def test_a_factor_that_costs_too_much_is_left_out(monkeypatch):
    monkeypatch.setattr("precondbench.baselines.choice.formulas.MAX_OPERATIONS", 1.0)
    table = order_table([GRID])
    missing = [number for number, one in enumerate(CANDIDATES) if one[1] == "Inv-K"]
    assert torch.exp(table.costs[0, missing]).tolist() == pytest.approx([MAXITER] * 3)
    model = preferring(("RCM", "Inv-K"))
    model.setup(GRID)
    assert model.taken[1] != "Inv-K"


def test_it_learns_to_look_at_residuals():
    """Matrices on which candidates with a small residual are cheap."""
    generator = torch.Generator().manual_seed(0)

    def drawn(count):
        features = torch.randn(count, len(CANDIDATES), len(NAMES), generator=generator).double()
        return CostTable(features, 3.0 + features[:, :, NAMES.index("residual, 16 steps")])

    train, validation = drawn(100), drawn(50)
    model = LearnedOrder(seed=None)
    fitted = model.fit(train, validation, seed=1)
    assert fitted.step > 0
    assert fitted.validation < validation.costs.min(1).values.mean() + 0.1
    assert LearnedOrder(seed=None).fit(train, validation, seed=1) == fitted


def test_bad_input():
    with pytest.raises(MatrixError):
        LearnedOrder(seed=None).setup(np.array([[1.0, 2.0], [0.0, 1.0]]))


def test_trained_weights_are_in_the_library():
    assert TRAINED.stat().st_size < 200_000
    A = ParametricInvK.generate("jumps-2d", n=300, count=1).pair(0).A
    for seed in range(3):
        for fold in range(FOLDS):
            model = LearnedOrder(seed, fold)
            assert pcg(A, np.ones(A.shape[0]), M=model.setup(A)).status == "converged"
            assert model.taken in CANDIDATES
    with pytest.raises(ConfigurationError, match="no weights of 0-5; there are: 0-0, 0-1"):
        LearnedOrder(0, 5)
