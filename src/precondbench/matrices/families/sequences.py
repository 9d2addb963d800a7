"""A family whose systems come in a row: the time steps of a heat equation."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

import numpy as np
import scipy
from numpy.typing import NDArray

from precondbench.matrices.families.family import Parameter, ParametricFamily
from precondbench.matrices.families.fields import exponential, smooth_field
from precondbench.matrices.families.grids import (
    LARGER_VARIANCE,
    STRETCHED,
    STRETCHING,
    VARIANCE,
)
from precondbench.matrices.families.system import DiscreteSystem
from precondbench.matrices.families.tensor_grids import (
    centres,
    finite_volumes,
    graded,
    grid_points,
    mean_distance,
    side_of,
    volumes,
)
from precondbench.matrices.random_bits import UniformStream

STEPS = 5


def with_mass(
    stiffness: scipy.sparse.csr_array, mass: NDArray[np.float64], dt: float
) -> scipy.sparse.csr_array:
    """Add a diagonal mass to dt * stiffness."""
    rows = np.repeat(np.arange(mass.size), np.diff(stiffness.indptr))
    values = dt * stiffness.data
    values[rows == stiffness.indices] += mass
    return scipy.sparse.csr_array(
        (values, stiffness.indices, stiffness.indptr), shape=stiffness.shape
    )


def draw_sequence(
    stream: UniformStream, n: int, parameters: Mapping[str, float]
) -> list[DiscreteSystem]:
    """Steps of implicit Euler, the coefficient a lognormal field that drifts."""
    m = side_of(n, 2)
    edges = [graded(m, parameters["stretching"])] * 2
    axes = [centres(ends) for ends in edges]
    # The drift, in sides of the square a step, along each axis.
    drift = stream.uniform(2, -parameters["drift"], parameters["drift"])
    reach = parameters["drift"] * (STEPS - 1)
    field = smooth_field(stream, 2, parameters["length"], -reach, 1.0 + reach)
    mass = np.broadcast_to(volumes(edges), (m, m)).ravel()
    systems = []
    for step in range(STEPS):
        moved = [points - step * speed for points, speed in zip(axes, drift, strict=True)]
        k = exponential(sqrt(parameters["variance"]) * field.on_grid(moved))
        systems.append(
            DiscreteSystem(
                with_mass(finite_volumes(k, edges), mass, parameters["dt"]),
                coordinates=grid_points(axes),
                coefficients=k.reshape(-1, 1),
                h=mean_distance(axes),
                facts={**parameters, "step": step},
            )
        )
    return systems


FAMILIES = (
    ParametricFamily(
        name="sequence",
        title="Time steps of a heat equation",
        stream=9,
        draw_systems=draw_sequence,
        description="Five steps of implicit Euler for u_t = div(k grad u) on the unit square, k a "
        "lognormal field that drifts; 5-point finite volumes, u = 0 on the boundary.",
        parameters={
            "variance": VARIANCE,
            "length": Parameter(0.1, 0.1, "correlation length, sides of the square"),
            "dt": Parameter(1e-3, 1e-1, "length of a step in time", decades=True),
            "drift": Parameter(0.0, 0.02, "most that the field moves a step along each axis"),
            "stretching": STRETCHING,
        },
        axes={"contrast": {"variance": LARGER_VARIANCE}, "mesh": STRETCHED},
        coefficients=("k",),
        systems_per_draw=STEPS,
    ),
)
