"""Pairs of a matrix and its target factor, or factors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from scipy.sparse import csr_array

from precondbench.errors import MatrixError, PredictionError
from precondbench.quality.display import draw_pair, draw_pattern, table_html
from precondbench.quality.metrics import spectrum_ends


@dataclass(frozen=True, repr=False)
class Pair:
    """A matrix and the factor to predict, or, if it is not symmetric, the factors L and U.

    Unpacks like a tuple: ``name, A, L = pair``, or ``name, A, L, U = pair``.

    Attributes
    ----------
    name : str
        Name of the record, for example ``"uniform-train-00017"`` or ``"HB/nos1"``.
    A : scipy.sparse.csr_array
        float64, shape (n, n), sorted: symmetric positive definite, or, with ``U``, any matrix
        that stores every diagonal entry.
    L : scipy.sparse.csr_array
        Lower triangular, float64, sorted. Of a symmetric A it is on the published pattern, and
        the order of its ``data`` is the order of predictions; with ``U`` it is unit lower
        triangular, the ones stored, inside the pattern of A. None where there is no target:
        predictions are then on the pattern of tril(A).
    U : scipy.sparse.csr_array or None
        Upper triangular, inside the pattern of A; None where A is symmetric.
    best : int or None
        Iterations that others are compared with: the fewest of several classical methods. None:
        those of the target.

    Examples
    --------
    >>> from precondbench import Pair, ic0, ilu0
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> A = tridiagonal_csr(poisson_1d(3))
    >>> Pair("poisson", A, ic0(A))
    Pair('poisson', n=3, nnz(A)=7, nnz(L)=5)
    >>> Pair("poisson", A, *ilu0(A)).symmetric
    False
    """

    name: str
    A: csr_array
    L: csr_array | None
    U: csr_array | None = None
    best: int | None = None

    @property
    def symmetric(self) -> bool:
        """Whether A is symmetric positive definite and has one factor: A is close to L L^T."""
        return self.U is None

    @property
    def factors(self) -> tuple[csr_array | None, ...]:
        """The targets: ``(L,)`` or ``(L, U)``."""
        return (self.L,) if self.U is None else (self.L, self.U)

    def __iter__(self) -> Iterator[str | csr_array]:
        return iter((self.name, self.A, *self.factors))

    def spectrum_ends(self) -> tuple[float, float]:
        """Return the smallest and the largest eigenvalue of A, if it is symmetric.

        Raises
        ------
        MatrixError
            If A is not symmetric.
        """
        if not self.symmetric:
            raise MatrixError(f"{self.name} is not symmetric: its spectrum has no two ends")
        return spectrum_ends(self.A)

    def spy(self, ax: Any = None) -> Any:
        """Draw where A has entries.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The axes.

        Raises
        ------
        ConfigurationError
            If matplotlib is not installed.
        """
        return draw_pattern(self.A, ax, self.name)

    def plot(self) -> Any:
        """Draw A and its factors side by side, coloured by the size of their entries.

        Returns
        -------
        matplotlib.figure.Figure
            The figure.

        Raises
        ------
        ConfigurationError
            If matplotlib is not installed.
        """
        return draw_pair({f"A of {self.name}": self.A, **self._known_factors()})

    def _known_factors(self) -> dict[str, csr_array]:
        named = zip("LU", self.factors, strict=False)
        return {name: factor for name, factor in named if factor is not None}

    def _repr_html_(self) -> str:
        """Show a table in a notebook."""
        shown = {"A": self.A, **self._known_factors()}
        rows: dict[str, Any] = {"n": self.A.shape[0]}
        rows |= {f"entries of {key}": matrix.nnz for key, matrix in shown.items()}
        # L of a matrix that is not symmetric has ones on its diagonal.
        rows |= {
            f"diagonal of {key}": f"{matrix.diagonal().min():.4g} to {matrix.diagonal().max():.4g}"
            for key, matrix in shown.items()
            if key != "L" or self.symmetric
        }
        return table_html(f"Pair {self.name}", rows)

    def __repr__(self) -> str:
        factors = "".join(
            f", nnz({name})={factor.nnz}" for name, factor in self._known_factors().items()
        )
        return f"Pair({self.name!r}, n={self.A.shape[0]}, nnz(A)={self.A.nnz}{factors})"


@runtime_checkable
class PairSource(Protocol):
    """A dataset as ``evaluate`` needs it."""

    def __len__(self) -> int: ...

    def pair(self, index: int) -> Pair:
        """Return one pair."""
        ...


@dataclass(frozen=True)
class PairList:
    """Pairs in memory as a dataset."""

    pairs: Sequence[Pair]

    def __len__(self) -> int:
        return len(self.pairs)

    def pair(self, index: int) -> Pair:
        """Return one pair."""
        return self.pairs[index]


def pair_source(given: Any) -> PairSource:
    """Return a dataset as it is, a list of pairs as one; PredictionError for anything else."""
    if isinstance(given, PairSource):
        return given
    if isinstance(given, Sequence) and all(isinstance(item, Pair) for item in given):
        return PairList(given)
    function = callable(given) and not hasattr(given, "__len__")
    swapped = "; the dataset comes first, then the method" if function else ""
    raise PredictionError(
        f"the dataset is a {type(given).__name__}; give one of this library, a list of Pair, or an "
        f"object with len() and pair(i){swapped}"
    )
