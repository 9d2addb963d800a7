"""Where A comes from: tridiagonal generators, SuiteSparse matrices, readers."""

from precondbench.matrices.catalogue import CATALOGUE_LIMIT, catalogue
from precondbench.matrices.checks import check_spd_candidate, power_of_two_scaling
from precondbench.matrices.collection import Collection, CollectionEntry
from precondbench.matrices.digest import matrix_digest
from precondbench.matrices.formulas import (
    FORMULA_NAMES,
    clamped_beam,
    formula_matrix,
    torsion,
    trefethen,
)
from precondbench.matrices.random_bits import UniformStream
from precondbench.matrices.reader import read_matrix, write_matrix
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
    growth_law,
    tridiagonal_law,
)

__all__ = [
    "CATALOGUE_LIMIT",
    "FORMULA_NAMES",
    "LAWS",
    "Bidiagonal",
    "Collection",
    "CollectionEntry",
    "TridiagonalLaw",
    "TridiagonalSample",
    "UniformStream",
    "catalogue",
    "check_spd_candidate",
    "clamped_beam",
    "draw_tridiagonal",
    "formula_matrix",
    "from_factor",
    "growth_law",
    "lower_csr",
    "matrix_digest",
    "perturbed_factor",
    "poisson_1d",
    "power_of_two_scaling",
    "read_matrix",
    "semiseparable_factor",
    "symmetric_csr",
    "theorem_2_1_factor",
    "torsion",
    "trefethen",
    "tridiagonal_law",
    "write_matrix",
]
