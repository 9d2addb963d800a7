"""Where A comes from: tridiagonal generators, SuiteSparse matrices, readers."""

from precondbench.matrices.checks import check_spd_candidate, power_of_two_scaling
from precondbench.matrices.random_bits import UniformStream
from precondbench.matrices.tridiagonal import (
    Bidiagonal,
    from_factor,
    lower_csr,
    perturbed_factor,
    poisson_1d,
    semiseparable_factor,
    symmetric_csr,
    theorem_2_1_factor,
)
from precondbench.matrices.tridiagonal_laws import (
    LAWS,
    TridiagonalLaw,
    TridiagonalSample,
    draw_tridiagonal,
    tridiagonal_law,
)

__all__ = [
    "LAWS",
    "Bidiagonal",
    "TridiagonalLaw",
    "TridiagonalSample",
    "UniformStream",
    "check_spd_candidate",
    "draw_tridiagonal",
    "from_factor",
    "lower_csr",
    "perturbed_factor",
    "poisson_1d",
    "power_of_two_scaling",
    "semiseparable_factor",
    "symmetric_csr",
    "theorem_2_1_factor",
    "tridiagonal_law",
]
