"""Methods whose time is measured: classical rows, direct solvers, and trained networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array
from scipy.sparse.linalg import splu

from precondbench.errors import BreakdownError, ConfigurationError
from precondbench.factors import invk
from precondbench.leaderboard.methods.registry import reference_rows
from precondbench.leaderboard.methods.symmetric import check_cost
from precondbench.leaderboard.timing import setup
from precondbench.leaderboard.timing.work import Work
from precondbench.leaderboard.tracks import track_named
from precondbench.quality import Context, Method

if TYPE_CHECKING:
    from precondbench.baselines import FactorModel

Vectors = NDArray[np.float64]
# Of a direct solver; beyond it memory is short before time is.
MOST_OPERATIONS = 1e12
# Every family has this board; rows that choose a relaxation or need minutes are left out.
_BOARD = "parametric-1.0-diffusion-2d-test"
# Published labels have the bits of the simplicial method, which takes several times as long.
_FASTEST: dict[str, Method | Callable[[csr_array], Any]] = {"Inv-K": partial(invk, workers=1)}
# Their setup has a complete factorisation in it, as that of a direct solver.
_FACTORING = ("Inv-K",)
# It chooses dense blocks for larger matrices than those that kernels are compiled on.
_WARM: dict[str, Callable[[csr_array], Any]] = {
    "Inv-K": partial(invk, workers=1, method="supernodal")
}
# What counts the work of their setup.
Counter = Callable[[csr_array, Any], Work]
CLASSICAL: dict[str, Counter] = {
    "none": setup.nothing,
    "Jacobi": setup.reading,
    "symmetric Gauss-Seidel": setup.reading,
    "IC(0)": setup.incomplete,
    "IC(0) after minimum degree": setup.incomplete_after_minimum_degree,
    "IC(0) after RCM": setup.incomplete_after_rcm,
    "MIC(0), w = 0.97": setup.incomplete,
    "MIC(0), w = 1": setup.incomplete,
    "MIC(0), w = 0.97 after minimum degree": setup.incomplete_after_minimum_degree,
    "Inv-K": setup.selected_inversion,
    "local-patch Inv-K, k = 3": setup.patches_of_three_hops,
    "FSAI": setup.rows_of_inverse,
    "SPAI": setup.least_squares,
    "Chebyshev polynomial": setup.bounds,
    "deflation and IC(0)": setup.deflated,
    "additive Schwarz": setup.patches,
    "smoothed-aggregation AMG": setup.hierarchy,
}


@runtime_checkable
class DirectSolver(Protocol):
    """What a direct method has prepared."""

    def solve(self, b: Vectors) -> Vectors:
        """Return A^-1 b for b of shape (n, s)."""


@dataclass(frozen=True)
class Contender:
    """A method whose time is measured.

    Attributes
    ----------
    name : str
        Name in tables.
    method : Method or callable
        Its ``setup(A, context)``, or the function of A, returns a preconditioner, or an
        object with ``solve(b)``, a direct solver.
    kind : {"classical", "direct", "learned", "other"}
        Classical and direct ones are what others are compared with.
    work : callable, optional
        Counts its setup, from A and from what setup has returned.
    warm : callable, optional
        Compiles, on a small matrix, what the method itself would only use on a larger one.
    factors : bool
        Whether its setup factors A completely, which is refused where that would take too long.
    """

    name: str
    method: Method | Callable[[csr_array], Any]
    kind: Literal["classical", "direct", "learned", "other"] = "other"
    work: Counter | None = None
    warm: Callable[[csr_array], Any] | None = None
    factors: bool = False


def classical_contenders() -> list[Contender]:
    """Return classical rows of the boards, and the direct solvers that are installed.

    Returns
    -------
    list of Contender
        Rows of the boards, SuperLU, and CHOLMOD where scikit-sparse is installed.
    """
    rows = reference_rows(track_named(_BOARD))
    found = [
        Contender(
            name,
            _FASTEST.get(name, rows[name]),
            "classical",
            work,
            _WARM.get(name),
            name in _FACTORING,
        )
        for name, work in CLASSICAL.items()
    ]
    found.append(Contender("SuperLU", _Direct(_superlu), "direct", setup.exact, factors=True))
    try:
        import sksparse.cholmod  # noqa: F401
    except ImportError:
        return found
    return [*found, Contender("CHOLMOD", _Direct(_cholmod), "direct", setup.exact, factors=True)]


def trained_contender(name: str, model: FactorModel, device: str = "cpu") -> Contender:
    """Return a trained network; inference and transfers belong to its setup.

    Parameters
    ----------
    name : str
        Name in tables.
    model : FactorModel
        The network.
    device : str
        Where it predicts, as torch names it.

    Returns
    -------
    Contender
        Of the kind ``learned``.
    """
    return Contender(name, _Trained(model, device), "learned")


def chosen(contenders: Sequence[Contender], names: Sequence[str]) -> list[Contender]:
    """Return the methods that are named, or all.

    Parameters
    ----------
    contenders : sequence of Contender
        What there is.
    names : sequence of str
        Names, in the order that is wanted; none stands for all.

    Returns
    -------
    list of Contender
        At least one, if there is one.

    Raises
    ------
    ConfigurationError
        If there is no method of a name.
    """
    known = {one.name: one for one in contenders}
    missing = [name for name in names if name not in known]
    if missing:
        raise ConfigurationError(
            f"there is no method {missing[0]!r}; choose from {', '.join(known)}"
        )
    return [known[name] for name in names] if names else list(contenders)


@dataclass(frozen=True)
class _Trained:
    model: FactorModel
    device: str

    def setup(self, A: csr_array, context: Context) -> csr_array:
        """Predict the factor."""
        from precondbench.baselines import predict_factor

        return predict_factor(self.model, A, scaled=True, device=self.device)


@dataclass(frozen=True)
class _Direct:
    factorise: Any

    def setup(self, A: csr_array, context: Context) -> DirectSolver:
        """Factorise."""
        found: DirectSolver = self.factorise(A)
        return found


def check_direct(A: csr_array) -> None:
    """Raise CostError where a complete factorisation would take too long."""
    check_cost(A, "the factorisation", MOST_OPERATIONS)


def _superlu(A: csr_array) -> DirectSolver:
    try:
        # Symmetric mode: pivots on the diagonal, in minimum-degree order of A + A^T.
        factor: DirectSolver = splu(
            csc_array(A), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )  # fmt: skip
        return factor
    except RuntimeError as error:
        raise BreakdownError(f"SuperLU: {error}", 0) from None


def _cholmod(A: csr_array) -> DirectSolver:
    from sksparse.cholmod import CholmodNotPositiveDefiniteError, cholesky

    try:
        factor = cholesky(csc_array(A))
    except CholmodNotPositiveDefiniteError as error:
        raise BreakdownError(f"CHOLMOD: {error}", 0) from None
    return _Cholmod(factor)


@dataclass(frozen=True)
class _Cholmod:
    factor: Any

    def solve(self, b: Vectors) -> Vectors:
        """Return A^-1 b."""
        x: Vectors = self.factor(b)
        return x
