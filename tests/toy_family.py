"""A family of matrices that takes no time."""

import numpy as np
import scipy.sparse as sp

from precondbench.matrices import DiscreteSystem, Parameter, ParametricFamily


def grid(stream, n, parameters):
    """Draw a weighted 5-point Laplacian with Dirichlet conditions on two sides."""
    side = round(n**0.5)
    step = sp.diags_array([1.0, -1.0], offsets=[0, -1], shape=(side + 1, side))
    gradient = sp.vstack(
        [sp.kron(sp.eye_array(side), step), sp.kron(step, sp.eye_array(side))], format="csr"
    )
    weights = 1.0 + parameters["spread"] * stream.uniform(gradient.shape[0])
    A = sp.csr_array(gradient.T @ sp.diags_array(weights) @ gradient)
    A.sort_indices()
    number = np.arange(side * side)
    xy = (np.stack([number % side, number // side], axis=1) + 0.5) / side
    return [DiscreteSystem(A, xy, 1.0 + xy[:, :1], h=1.0 / side, facts=parameters)]


TOY = ParametricFamily(
    "toy",
    "Toy",
    999,
    grid,
    "Weighted Laplacian.",
    {"spread": Parameter(0.5, 50.0, "Spread of the weights.", decades=True)},
    {"contrast": {"spread": 500.0}},
)
