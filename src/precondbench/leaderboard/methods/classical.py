"""Methods that learn nothing and stand on every board, as functions A -> L or A -> M."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from scipy.sparse import csr_array, diags_array, eye_array, tril
from scipy.sparse.linalg import LinearOperator

from precondbench.factors import (
    fsai,
    ic0,
    invk,
    khop_factor,
    local_invk,
    minimum_degree,
    reverse_cuthill_mckee,
    shifted_ic0,
)
from precondbench.matrices import lower_csr
from precondbench.quality import tridiagonal_part
from precondbench.solvers import (
    FactoredInverse,
    after_reordering,
    exact_cholesky,
    smoothed_aggregation,
)

HOPS = (0, 1, 2, 4, 8, 16, 32)
PATCHES = (1, 3, 5, 7)
# Minutes on one core; a few matrices with large three-dimensional patches are beyond it.
MOST_OPERATIONS = 1e12
EXACT_HERE = "Exact here: a tridiagonal matrix has no fill-in."
Method = Callable[[csr_array], Any]


def identity(A: csr_array) -> csr_array:
    """No preconditioner."""
    return csr_array(eye_array(A.shape[0], format="csr"))


def jacobi(A: csr_array) -> csr_array:
    """Square root of the diagonal."""
    return csr_array(diags_array(np.sqrt(A.diagonal())).tocsr())


def fixed_order_invk(A: csr_array) -> csr_array:
    """Inv-K with the same bits on every machine, as scores are published."""
    return invk(A, method="simplicial", workers=1)


def symmetric_gauss_seidel(A: csr_array) -> csr_array:
    """Return (D + E) D^-1/2 with A = E + D + E^T: a factor on the pattern of tril(A)."""
    return csr_array(tril(A, format="csr") / np.sqrt(A.diagonal())[np.newaxis, :])


def ic0_smallest_shift(A: csr_array) -> csr_array:
    """IC(0) of A + alpha diag(A), alpha the smallest that works."""
    return shifted_ic0(A)[0]


def ic0_after_rcm(A: csr_array) -> LinearOperator:
    """IC(0) in reverse Cuthill-McKee order."""
    return after_reordering(A, reverse_cuthill_mckee, ic0)


def ic0_after_minimum_degree(A: csr_array) -> LinearOperator:
    """IC(0) in minimum-degree order."""
    return after_reordering(A, minimum_degree, ic0)


def invk_after_rcm(A: csr_array) -> LinearOperator:
    """Inv-K in reverse Cuthill-McKee order."""
    return after_reordering(A, reverse_cuthill_mckee, fixed_order_invk)


def factorised_inverse(A: csr_array) -> LinearOperator:
    """FSAI on the pattern of tril(A)."""
    return FactoredInverse(fsai(A))


def patch_invk(A: csr_array, hops: int) -> csr_array:
    """Local-patch Inv-K, refused where it would take too long."""
    return local_invk(A, hops, max_operations=MOST_OPERATIONS)


def khop(A: csr_array, hops: int) -> csr_array:
    """k-hop oracle of a tridiagonal matrix."""
    return lower_csr(khop_factor(tridiagonal_part(A), hops))


def khop_methods() -> dict[str, Method]:
    """k-hop oracles by name."""
    return {f"{hops}-hop oracle": partial(khop, hops=hops) for hops in HOPS}


def tridiagonal_methods() -> dict[str, Method]:
    """Methods of a quick look; on tridiagonal matrices IC(0) is the exact factor, an oracle.

    Returns
    -------
    dict of str to callable
        Name -> function A -> L.
    """
    return {"none": identity, "Jacobi": jacobi, **khop_methods(), "exact factor": ic0}


def real_methods() -> dict[str, Method]:
    """Methods of a quick look at any SPD matrix.

    Returns
    -------
    dict of str to callable
        Name -> function A -> L.
    """
    return {"none": identity, "Jacobi": jacobi, "IC(0)": ic0, "Inv-K": fixed_order_invk}


@dataclass(frozen=True)
class ReferenceMethod:
    """A row of every board that is computed by this library.

    Attributes
    ----------
    name : str
        Name on the board.
    function : callable
        A -> L on the pattern of the track, or (L, U), or a linear operator close to the inverse
        of A; importable by name, so that worker processes can call it.
    description : str
        One or two sentences.
    reference : str or None
        Where it comes from.
    form : {"factor", "operator"}
        What the function returns.
    kind : {"classical", "oracle"}
        On matrices that are not tridiagonal.
    exact_if_tridiagonal : bool
        Whether it is the exact factor of a tridiagonal matrix: no baseline there, an oracle.
    """

    name: str
    function: Method
    description: str
    reference: str | None = None
    form: Literal["factor", "operator"] = "factor"
    kind: Literal["classical", "oracle"] = "classical"
    exact_if_tridiagonal: bool = False

    def if_tridiagonal(self) -> ReferenceMethod:
        """Return the row as it stands on a board of tridiagonal matrices."""
        if not self.exact_if_tridiagonal:
            return self
        return replace(self, kind="oracle", description=f"{self.description} {EXACT_HERE}")


def spd_rows() -> list[ReferenceMethod]:
    """Return the rows of boards of SPD matrices with factors on tril(A)."""
    return list(_CLASSICAL)


def spd_tridiagonal_rows() -> list[ReferenceMethod]:
    """Return the rows of boards of SPD tridiagonal matrices: oracles, too."""
    hops = [
        ReferenceMethod(
            name,
            function,
            "Cholesky restarted so many rows back: the best that a window of the rows behind "
            "can do.",
            kind="oracle",
        )
        for name, function in khop_methods().items()
    ]
    return [*(row.if_tridiagonal() for row in _CLASSICAL), *hops]


_CLASSICAL = (
    ReferenceMethod("none", identity, "No preconditioner."),
    ReferenceMethod("Jacobi", jacobi, "The diagonal of A."),
    ReferenceMethod(
        "symmetric Gauss-Seidel",
        symmetric_gauss_seidel,
        "A forward and a backward sweep, written as the factor (D + E) D^-1/2 for A = E + D + E^T.",
    ),
    ReferenceMethod(
        "IC(0)",
        ic0,
        "Incomplete Cholesky without fill-in, in the order of the matrix.",
        "Meijerink and van der Vorst, 1977",
        exact_if_tridiagonal=True,
    ),
    ReferenceMethod(
        "IC(0), smallest shift",
        ic0_smallest_shift,
        "IC(0) of A + alpha diag(A); alpha is 0 or the first of 2^-20, 2^-19, ... that works.",
        "Manteuffel, 1980",
        exact_if_tridiagonal=True,
    ),
    ReferenceMethod(
        "IC(0) after RCM",
        ic0_after_rcm,
        "IC(0) in reverse Cuthill-McKee order (SciPy).",
        "Cuthill and McKee, 1969; Duff and Meurant, 1989",
        form="operator",
        exact_if_tridiagonal=True,
    ),
    ReferenceMethod(
        "IC(0) after minimum degree",
        ic0_after_minimum_degree,
        "IC(0) in multiple minimum-degree order (SuperLU).",
        "Liu, 1985; Duff and Meurant, 1989",
        form="operator",
        exact_if_tridiagonal=True,
    ),
    ReferenceMethod(
        "Inv-K",
        fixed_order_invk,
        "The factor on the pattern of tril(A) with the smallest K-condition number of L^T A^-1 L.",
        "Kaporin, 1994; Schaefer, Katzfuss and Owhadi, 2021",
        exact_if_tridiagonal=True,
    ),
    ReferenceMethod(
        "Inv-K after RCM",
        invk_after_rcm,
        "Inv-K in reverse Cuthill-McKee order (SciPy).",
        "Kaporin, 1994",
        form="operator",
        exact_if_tridiagonal=True,
    ),
    *(
        ReferenceMethod(
            f"local-patch Inv-K, k = {hops}",
            partial(patch_invk, hops=hops),
            f"Inv-K with A replaced, for each column, by its part within {hops} "
            f"{'hop' if hops == 1 else 'hops'} of it: the strongest local baseline. Refused "
            f"beyond {MOST_OPERATIONS:.0e} multiply-adds.",
        )
        for hops in PATCHES
    ),
    ReferenceMethod(
        "FSAI",
        factorised_inverse,
        "Factorised sparse approximate inverse G^T G with G on the pattern of tril(A).",
        "Kolotilina and Yeremin, 1993",
        form="operator",
    ),
    ReferenceMethod(
        "smoothed-aggregation AMG",
        smoothed_aggregation,
        "One V-cycle with a hierarchy by PyAMG: constant near null space, prolongation smoothed "
        "with row-sum weights, one forward Gauss-Seidel sweep down and one backward up.",
        "Vanek, Mandel and Brezina, 1996; Bell, Olson and Schroder, 2022",
        form="operator",
    ),
    ReferenceMethod(
        "Cholesky",
        exact_cholesky,
        "The exact factor with all its fill-in, in minimum-degree order: a direct solver.",
        form="operator",
        kind="oracle",
    ),
)
