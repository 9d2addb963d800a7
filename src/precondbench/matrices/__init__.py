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
from precondbench.matrices.general import check_general, general_scaling
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
from precondbench.matrices.tridiagonal_lu import (
    Tridiagonal,
    TridiagonalLU,
    from_lu,
    perturbed_lu,
    semiseparable_lu,
    tridiagonal_csr,
    unit_lower_csr,
    upper_csr,
)
from precondbench.matrices.tridiagonal_lu_laws import (
    LU_LAWS,
    LULaw,
    LUSample,
    draw_tridiagonal_lu,
    growth_lu_law,
    lu_law,
)

__all__ = [
    "CATALOGUE_LIMIT",
    "FORMULA_NAMES",
    "LAWS",
    "LU_LAWS",
    "Bidiagonal",
    "Collection",
    "CollectionEntry",
    "LULaw",
    "LUSample",
    "Tridiagonal",
    "TridiagonalLU",
    "TridiagonalLaw",
    "TridiagonalSample",
    "UniformStream",
    "catalogue",
    "check_general",
    "check_spd_candidate",
    "clamped_beam",
    "draw_tridiagonal",
    "draw_tridiagonal_lu",
    "formula_matrix",
    "from_factor",
    "from_lu",
    "general_scaling",
    "growth_law",
    "growth_lu_law",
    "lower_csr",
    "lu_law",
    "matrix_digest",
    "perturbed_factor",
    "perturbed_lu",
    "poisson_1d",
    "power_of_two_scaling",
    "read_matrix",
    "semiseparable_factor",
    "semiseparable_lu",
    "symmetric_csr",
    "theorem_2_1_factor",
    "torsion",
    "trefethen",
    "tridiagonal_csr",
    "tridiagonal_law",
    "unit_lower_csr",
    "upper_csr",
    "write_matrix",
]
