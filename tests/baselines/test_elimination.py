"""Levels, triples and compensated elimination against definitions and known factors."""

import itertools

import numpy as np
import pytest
import torch
from scipy import sparse

from precondbench import ic0, invk
from precondbench.baselines.elimination.compensated import compensated_elimination
from precondbench.baselines.elimination.learned import memory_of
from precondbench.baselines.elimination.levels import levels, pattern_of, triples
from precondbench.factors import level_of_fill, lower_pattern
from precondbench.matrices import formula_matrix


def edges(pattern):
    """Edge index of a lower pattern alone, all of it lower edges."""
    row = np.repeat(np.arange(pattern.n), np.diff(pattern.indptr))
    return torch.tensor(np.stack([pattern.indices, row])).long(), torch.arange(pattern.nnz)


def random_pattern(n, density, seed):
    rng = np.random.default_rng(seed)
    dense = np.tril(rng.random((n, n)) < density).astype(float)
    np.fill_diagonal(dense, 1)
    return lower_pattern(dense)


def arrow(n, full):
    dense = np.eye(n)
    dense[:, full] = dense[full, :] = 1
    return lower_pattern(np.tril(dense))


@pytest.mark.parametrize(
    ("pattern", "sizes"),
    [
        (lower_pattern(np.eye(5) + np.eye(5, k=-1)), [1] * 5),
        (lower_pattern(np.eye(4)), [4]),
        (arrow(6, 5), [5, 1]),
        (arrow(6, 0), [1, 5]),
        (lower_pattern(np.tril(np.ones((4, 4)))), [1] * 4),
        (lower_pattern(np.kron(np.eye(3), np.tril(np.ones((2, 2))))), [3, 3]),
    ],
    ids=["path", "diagonal", "last row full", "first column full", "dense", "blocks"],
)
def test_levels_of_known_graphs(pattern, sizes):
    assert [level.numel() for level in levels(*edges(pattern))] == sizes


@pytest.mark.parametrize("seed", range(3))
def test_a_row_is_one_level_after_the_latest_it_needs(seed):
    pattern = random_pattern(30, 0.1, seed)
    of_row = {}
    for number, rows in enumerate(levels(*edges(pattern))):
        of_row |= dict.fromkeys(rows.tolist(), number)
    for i in range(30):
        needed = pattern.indices[pattern.indptr[i] : pattern.indptr[i + 1] - 1]
        assert of_row[i] == max((of_row[int(j)] + 1 for j in needed), default=0)


@pytest.mark.parametrize("density", [0.0, 0.2, 1.0])
def test_triples_are_all_products_that_meet_an_entry(density):
    pattern = random_pattern(12, density, 1)
    index, lower = edges(pattern)
    at = {(int(i), int(j)): p for p, (j, i) in enumerate(index.T.tolist())}
    expected = {
        (at[i, j], at[i, k], at[j, k])
        for i, j, k in itertools.product(range(12), repeat=3)
        if k < j <= i and (i, j) in at and (i, k) in at and (j, k) in at
    }
    found = [tuple(triple) for triple in torch.stack(triples(index, lower), dim=1).tolist()]
    assert set(found) == expected
    assert len(found) == len(expected)


def test_batches_of_one_pattern_compute_it_once():
    index, lower = edges(random_pattern(10, 0.3, 0))
    assert pattern_of(index, lower) is pattern_of(index, lower)
    assert triples(index, lower) is triples(index, lower)


def grid(memory=0):
    """A shifted Laplacian with fill-in up to a level as memory: matrix, pattern, values, kept."""
    A = sparse.csr_array(formula_matrix("HB/gr_30_30")[:120, :120])
    pattern = lower_pattern(sparse.tril(A))
    filled, kept = memory_of(pattern, np.array([120]), memory)
    kept = torch.from_numpy(kept)
    values = torch.zeros(filled.nnz, dtype=torch.float64)
    values[kept] = torch.from_numpy(sparse.csr_array(sparse.tril(A)).data)
    return A, pattern, filled, values, kept


def share(n, value):
    return torch.full((n, 2), float(value), dtype=torch.float64)


def test_without_compensation_and_memory_it_is_ic0():
    A, pattern, _, values, _ = grid()
    made = compensated_elimination(values, share(120, 0), torch.ones_like(values), pattern)
    np.testing.assert_allclose(pattern.csr(made.numpy()).toarray(), ic0(A).toarray(), rtol=1e-13)


def test_with_full_compensation_and_any_lean_the_rest_is_semidefinite():
    rng = np.random.default_rng(0)
    for seed in range(5):
        pattern = random_pattern(25, 0.25, seed)
        B = pattern.csr(rng.uniform(-1, 1, pattern.nnz)).toarray()
        A = B + B.T
        A += (0.01 - np.linalg.eigvalsh(A).min()) * np.eye(25)
        values = torch.from_numpy(
            A[np.repeat(np.arange(25), np.diff(pattern.indptr)), pattern.indices]
        )
        lean = torch.from_numpy(rng.uniform(0.3, 3, pattern.nnz))
        made = compensated_elimination(values, share(25, 1), lean, pattern)
        L = pattern.csr(made.numpy()).toarray()
        assert np.linalg.eigvalsh(L @ L.T - A).min() > -1e-10


def test_with_all_fill_in_as_memory_nothing_is_dropped():
    A, _, filled, values, _ = grid(memory=40)
    assert filled.nnz == level_of_fill(A, 200).nnz
    made = compensated_elimination(values, share(120, 0.5), torch.ones_like(values), filled)
    exact = np.linalg.cholesky(A.toarray())
    np.testing.assert_allclose(filled.csr(made.numpy()).toarray(), exact, atol=1e-12)


def test_projection_of_the_memory_comes_close_to_invk():
    errors = []
    for level in (0, 1, 3, 40):
        A, pattern, filled, values, kept = grid(level)
        made = compensated_elimination(values, share(120, 0), torch.ones_like(values), filled, kept)
        assert not made[~kept].any()
        L = pattern.csr(made[kept].numpy())
        errors.append(abs(L - invk(A)).max() / abs(invk(A)).max())
    assert errors[0] > errors[1] > errors[2] > errors[3]
    # Rows outside a column are left out of its projection, so a little remains.
    assert errors[3] < 1e-2


@pytest.mark.parametrize("level", [0, 1, 4])
@pytest.mark.parametrize("seed", range(3))
def test_the_derivative_is_that_of_differences(level, seed):
    pattern = random_pattern(12, 0.3, seed)
    filled, kept = memory_of(pattern, np.array([12]), level)
    torch.manual_seed(seed)
    kept = torch.from_numpy(kept)
    values = torch.zeros(filled.nnz, dtype=torch.float64)
    values[kept] = 0.4 * torch.rand(pattern.nnz, dtype=torch.float64) - 0.2
    values[torch.from_numpy(filled.indptr[1:] - 1)] = 1.0
    shares = torch.rand(12, 2, dtype=torch.float64)
    tilt = torch.rand(filled.nnz, dtype=torch.float64) + 0.5
    given = [x.requires_grad_() for x in (values, shares, tilt)]
    # A sum of squares has derivatives of one size: none is cut.
    torch.autograd.gradcheck(lambda *x: compensated_elimination(*x, filled, kept), given)


@pytest.mark.parametrize("level", [0, 2])
def test_indefinite_input_gives_finite_numbers(level):
    rng = np.random.default_rng(0)
    pattern = random_pattern(60, 0.2, 0)
    filled, kept = memory_of(pattern, np.array([60]), level)
    kept = torch.from_numpy(kept)
    values = torch.zeros(filled.nnz, dtype=torch.float64)
    values[kept] = torch.from_numpy(rng.uniform(-1, 1, pattern.nnz))
    values[torch.from_numpy(filled.indptr[1:] - 1)] = 1.0
    values.requires_grad_()
    made = compensated_elimination(values, share(60, 0), torch.ones(filled.nnz), filled, kept)
    made.square().sum().backward()
    assert torch.isfinite(made).all()
    assert (made[torch.from_numpy(filled.indptr[1:] - 1)] > 0).all()
    assert torch.isfinite(values.grad).all()


def test_a_dense_column_is_not_filled():
    pattern = arrow(1500, 0)
    assert memory_of(pattern, np.array([1500]), 2).pattern.nnz == pattern.nnz


def test_graphs_of_a_batch_are_filled_apart():
    first, second = random_pattern(8, 0.3, 0), random_pattern(11, 0.3, 1)
    both = lower_pattern(
        sparse.block_diag([first.csr(np.ones(first.nnz)), second.csr(np.ones(second.nnz))])
    )
    together = memory_of(both, np.array([8, 11]), 1)
    apart = [memory_of(p, np.array([p.n]), 1) for p in (first, second)]
    assert together.pattern.nnz == sum(memory.pattern.nnz for memory in apart)
    np.testing.assert_array_equal(together.kept, np.concatenate([m.kept for m in apart]))
