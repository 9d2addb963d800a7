"""Random coefficients: smooth fields, blocks and balls."""

import numpy as np
import pytest

from precondbench.matrices import UniformStream
from precondbench.matrices.families.fields import (
    blocks,
    exponential,
    inside_balls,
    logarithm,
    smooth_field,
)
from precondbench.matrices.families.tensor_grids import centres, graded, grid_points


def test_exponential_and_logarithm():
    x = np.linspace(-30.0, 30.0, 20_001)
    np.testing.assert_allclose(exponential(x), np.exp(x), rtol=1e-12)
    assert exponential(0.0) == 1.0
    for value in (1.0, 1.001, 7.0, 1e6, 1e9):
        assert abs(logarithm(value) - np.log(value)) < 1e-12


def weights_of(field, points):
    """Field values are these weights times the noise, in one dimension."""
    places, weights = field._taps(points)
    W = np.zeros((points.size, field.noise.size))
    for q, row in enumerate(weights):
        W[np.arange(points.size), places + q] = row
    return W


@pytest.mark.parametrize("length", [0.03, 0.05, 0.4])
def test_the_covariance_of_a_field_is_nearly_gaussian(length):
    """Known exactly from the weights: variance 1 everywhere, exp(-(d / length)^2) within 0.025."""
    field = smooth_field(UniformStream(1), 1, length)
    points = np.linspace(0.0, 1.0, 501)
    W = weights_of(field, points)
    np.testing.assert_allclose(W @ field.noise, field.on_grid([points]), rtol=1e-12, atol=1e-13)
    covariance = W @ W.T
    np.testing.assert_allclose(np.diag(covariance), 1.0, rtol=1e-14)
    distance = np.abs(points[:, None] - points)
    assert np.abs(covariance - np.exp(-((distance / length) ** 2))).max() < 0.025


@pytest.mark.parametrize("dimensions", [2, 3])
def test_statistics_of_drawn_fields(dimensions):
    """Mean 0, variance 1, correlation 1/e at the length along an axis and along a diagonal."""
    length = 0.1
    side = length / np.sqrt(dimensions)
    apart = [np.array([0.25, 0.25 + length]), *[np.array([0.25])] * (dimensions - 1)]
    corner = [np.array([0.25, 0.25 + side])] * dimensions
    places = 0.31 * np.arange(3)
    pairs, far = [], []
    for seed in range(40 if dimensions == 3 else 200):
        field = smooth_field(UniformStream(7, seed), dimensions, length)
        for move in places:
            along = field.on_grid([points + move for points in apart]).ravel()
            across = field.on_grid([points + move for points in corner]).ravel()
            pairs.append((along[0], along[1], across[0], across[-1]))
        far.append(field.on_grid([places] * dimensions).ravel())
    far, pairs = np.array(far), np.array(pairs)
    assert abs(far.mean()) < 0.1
    assert abs((far**2).mean() - 1.0) < 0.1
    for first, second in (pairs[:, :2].T, pairs[:, 2:].T):
        assert abs((first * second).mean() - np.exp(-1.0)) < 0.2


def test_a_field_does_not_depend_on_the_grid():
    """Grids that share points agree there to the bit, and so do scattered points."""
    for dimensions in (2, 3):
        field = smooth_field(UniformStream(3), dimensions, 0.1)
        fine = [np.arange(25) / 24.0] * dimensions
        values = field.on_grid(fine)
        coarse = field.on_grid([axis[::3] for axis in fine])
        assert np.array_equal(coarse, values[(slice(None, None, 3),) * dimensions])
        assert np.array_equal(field.at(grid_points(fine)), values.ravel())


def test_blocks_and_balls():
    points = grid_points([centres(graded(20))] * 2)
    numbers = blocks(UniformStream(1), points, 4).reshape(20, 20)
    table = UniformStream(1).uniform(16).reshape(4, 4)
    assert np.array_equal(numbers, np.kron(table, np.ones((5, 5))))
    draws = UniformStream(2).uniform(9)
    inside = inside_balls(UniformStream(2), points, 3, 0.1, 0.3)
    distances = np.linalg.norm(points[:, None] - draws[:6].reshape(3, 2), axis=2)
    assert np.array_equal(inside, (distances < 0.1 + 0.2 * draws[6:]).any(axis=1))
