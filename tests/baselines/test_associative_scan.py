"""Running products of 2 x 2 matrices, compared with sequential multiplication, and pivots."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from precondbench.baselines.recurrences import normalised_product, prefix_products


def sequential_products(matrices):
    """One product after the other, in n steps."""
    products = [matrices[:, 0]]
    for i in range(1, matrices.shape[1]):
        products.append(normalised_product(matrices[:, i], products[-1]))
    return torch.stack(products, dim=1)


def directions(products):
    return products / products.abs().amax((-2, -1), keepdim=True)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 70), st.integers(0, 10**6))
def test_all_lengths_equal_the_sequential_products(n, seed):
    generator = torch.Generator().manual_seed(seed)
    matrices = torch.randn(2, n, 3, 2, 2, generator=generator, dtype=torch.float64)
    scanned, sequential = prefix_products(matrices), sequential_products(matrices)
    assert scanned.shape == matrices.shape
    torch.testing.assert_close(directions(scanned), directions(sequential), rtol=1e-6, atol=1e-9)


def pivots(dtype, n):
    """Squared pivots of a random tridiagonal matrix: of a scan, and exact."""
    rng = np.random.default_rng(0)
    u, v = rng.uniform(0.5, 1.5, (2, n))
    diagonal, below = 1 / (u * v), -1 / (u[:-1] * v[1:])
    matrices = np.zeros((1, n, 2, 2))
    matrices[0, :, 0, 0] = diagonal**2 + np.r_[0.0, below**2]
    matrices[0, 1:, 0, 1] = -((below * diagonal[:-1]) ** 2)
    matrices[0, :, 1, 0] = 1.0
    products = prefix_products(torch.tensor(matrices, dtype=dtype))[0, :, :, 0]
    return (products[:, 0] / products[:, 1]).double().numpy(), diagonal**2


def test_cholesky_pivots_are_ratios_of_a_product():
    found, expected = pivots(torch.float64, 500)
    np.testing.assert_allclose(found, expected, rtol=1e-8)


@pytest.mark.parametrize("growth", [1.0, 0.5, 2.0])
def test_single_precision_stays_finite_for_ten_thousand_rows(growth):
    found, _ = pivots(torch.float32, 10_000)
    assert np.isfinite(found).all()
    steps = torch.tensor([[growth, -growth], [1.0, 0.0]]).expand(1, 10_000, 2, 2)
    products = prefix_products(steps)
    assert torch.isfinite(products).all()
    assert products.abs().amax() <= max(1.0, growth)


def test_gradients_are_those_of_the_sequential_products():
    def gradient(products):
        matrices = torch.randn(
            1, 13, 2, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
        ).requires_grad_()
        vectors = products(matrices).sum(-1)
        (vectors[..., 0] / vectors.norm(dim=-1)).sum().backward()
        return matrices.grad

    torch.testing.assert_close(gradient(prefix_products), gradient(sequential_products))
