"""Forms of a preconditioner: any of them as an operator, and what PCG demands of an operator."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator

from precondbench.errors import MatrixError
from precondbench.factors import factor_values, lu_pattern
from precondbench.matrices import UniformStream, square_matrix
from precondbench.solvers.lanes import dot
from precondbench.solvers.minimal_residual import unit_factors
from precondbench.solvers.preconditioners import FactoredPreconditioner, Preconditioner
from precondbench.solvers.solves import Apply, Scaled, Vector
from precondbench.solvers.substitution import backward, forward, lu_triangles, middle_exponent

# Random vectors of a probe.
PROBES = 3
# Relative asymmetry that is allowed, and how many times the measured rounding on top of it.
ASYMMETRY = 2.0**-20
ROUNDING = 64.0
# Changes the rounding of every number, and what a smooth function makes of it by little.
NUDGE = 1.0 + 2.0**-20


class FactoredPairPreconditioner(Preconditioner):
    """M = (L U)^-1."""

    def __init__(self, L: Any, U: Any) -> None:
        self.L, self.U = L, U
        n = square_matrix(L, "L").shape[0]
        together = unit_factors(L, U, n)
        self._triangles = lu_triangles(lu_pattern(together), together.data)
        # The power of two that the diagonal of U is divided by there.
        self._exponent = middle_exponent(np.abs(together.diagonal()))
        super().__init__(n, int(together.nnz))

    def apply(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return U^-1 (L^-1 r)."""
        x = r.reshape(-1, 1).copy()
        lower, upper = self._triangles
        forward((0.0,), lower, x, x)
        backward((0.0,), upper, x, x)
        result: NDArray[np.float64] = np.ldexp(x[:, 0], -self._exponent)
        return result

    def _adjoint(self) -> FactoredPairPreconditioner:
        return FactoredPairPreconditioner(self.U.T, self.L.T)

    _transpose = _adjoint


def as_preconditioner(M: Any, n: int | None = None) -> LinearOperator:
    """Preconditioner of any form as the operator that SciPy and PyAMG take for ``M=``.

    Parameters
    ----------
    M : sparse array, sparse matrix, array_like, tuple, LinearOperator or callable
        A lower-triangular factor L (then M = (L L^T)^-1), a pair (L, U) (then M = (L U)^-1), an
        operator close to A^-1, which is returned as it is, or a function r -> z. A sparse
        approximate inverse goes in as :class:`SparseInverse`.
    n : int, optional
        Rows of A, for a function r -> z, which does not know them.

    Returns
    -------
    scipy.sparse.linalg.LinearOperator
        Shape (n, n), float64. If M is a function that is not linear, only flexible solvers may
        use it.

    Raises
    ------
    MatrixError
        If the factors cannot be used, or M is a function and ``n`` is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse.linalg import cg
    >>> from precondbench import ic0
    >>> from precondbench.matrices import formula_matrix
    >>> from precondbench.solvers import as_preconditioner
    >>> A = formula_matrix("HB/gr_30_30")
    >>> steps = []
    >>> x, failed = cg(A, np.ones(900), M=as_preconditioner(ic0(A)), callback=steps.append)
    >>> len(steps), failed
    (15, 0)
    """
    if isinstance(M, LinearOperator):
        return M
    if isinstance(M, tuple):
        if len(M) != 2:
            raise MatrixError(f"M is a tuple of {len(M)}; give a pair (L, U)")
        return FactoredPairPreconditioner(*M)
    if callable(M):
        if n is None:
            raise MatrixError("M is a function; give n, the number of rows of A, with it")
        return LinearOperator((n, n), matvec=M, dtype=np.float64)
    pattern, values = factor_values(M)
    return FactoredPreconditioner(pattern, values, np.arange(pattern.n, dtype=np.int64))


def fault_of(apply: Apply, n: int) -> str:
    """Why PCG must not use a linear operator, or an empty text.

    u^T M v = v^T M u and u^T M u > 0 are tried for fixed random vectors. Honest operators pass,
    however large their rounding is: it is measured by applying M to each vector again, changed in
    its last digits. What is not finite is left to the solver.
    """
    scaled = Scaled(apply)
    vectors = [UniformStream(k).uniform(n, -1.0, 1.0)[:, np.newaxis] for k in range(PROBES)]
    images = [scaled(u) for u in vectors]
    again = [scaled(u * NUDGE) / NUDGE for u in vectors]
    if not all(np.all(np.isfinite(z)) for z in images + again):
        return ""
    sizes = [_norm(z) for z in images]
    noise = max(
        (_norm(z - other) / size for z, other, size in zip(images, again, sizes, strict=True)
         if size > 0.0),
        default=0.0,
    )  # fmt: skip
    allowed = ASYMMETRY + ROUNDING * noise
    for u, z, size in zip(vectors, images, sizes, strict=True):
        product = _inner(u, z)
        if product <= -allowed * _norm(u) * size:
            return (
                f"the operator is not positive definite: u^T M u = {product:.3g} for a fixed "
                "random vector u; PCG needs a symmetric positive definite operator"
            )
    for i, j in combinations(range(PROBES), 2):
        one, other = _inner(vectors[i], images[j]), _inner(vectors[j], images[i])
        bound = _norm(vectors[i]) * sizes[j] + _norm(vectors[j]) * sizes[i]
        if abs(one - other) > 0.5 * allowed * bound:
            return (
                f"the operator is not symmetric: u^T M v = {one:.3g}, v^T M u = {other:.3g} for "
                "fixed random vectors u, v; return a function r -> z to be solved with by "
                "flexible PCG"
            )
    return ""


def _inner(u: Vector, v: Vector) -> float:
    return float(dot((0.0,), u, v)[0])


def _norm(u: Vector) -> float:
    return float(np.sqrt(_inner(u, u)))
