"""A matrix with its target factor, or, where it is not symmetric, its factors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Protocol

from scipy.sparse import csr_array


@dataclass(frozen=True)
class Pair:
    """A symmetric positive definite matrix and the lower-triangular factor to predict.

    Unpacks like a tuple: ``name, A, L = pair``.

    Attributes
    ----------
    name : str
        Name of the record, for example ``"uniform-train-00017"`` or ``"HB/nos1"``.
    A : scipy.sparse.csr_array
        Symmetric, float64, shape (n, n), sorted.
    L : scipy.sparse.csr_array
        Lower triangular, float64, on the pattern of tril(A), sorted: the order of its
        ``data`` is the order of predictions.
    """

    name: str
    A: csr_array
    L: csr_array

    def __iter__(self) -> Iterator[str | csr_array]:
        return iter((self.name, self.A, self.L))

    def _repr_html_(self) -> str:
        """Show a table in a notebook."""
        rows = {
            "n": self.A.shape[0],
            "entries of A": self.A.nnz,
            "entries of L": self.L.nnz,
            "diagonal of A": f"{self.A.diagonal().min():.4g} to {self.A.diagonal().max():.4g}",
            "diagonal of L": f"{self.L.diagonal().min():.4g} to {self.L.diagonal().max():.4g}",
        }
        body = "".join(f"<tr><th>{key}</th><td>{value}</td></tr>" for key, value in rows.items())
        return f"<table><caption>Pair {escape(self.name)}</caption>{body}</table>"

    def __repr__(self) -> str:
        return f"Pair({self.name!r}, n={self.A.shape[0]}, nnz(A)={self.A.nnz}, nnz(L)={self.L.nnz})"


@dataclass(frozen=True, repr=False)
class LUPair(Pair):
    """A matrix that need not be symmetric, and the factors to predict: ``name, A, L, U = pair``.

    Attributes
    ----------
    name : str
        Name of the record, for example ``"uniform-train-00017"``.
    A : scipy.sparse.csr_array
        float64, shape (n, n), sorted, every diagonal entry stored.
    L : scipy.sparse.csr_array
        Unit lower triangular, the ones stored, inside the pattern of A.
    U : scipy.sparse.csr_array
        Upper triangular, inside the pattern of A.
    """

    U: csr_array

    def __iter__(self) -> Iterator[str | csr_array]:
        return iter((self.name, self.A, self.L, self.U))

    def _repr_html_(self) -> str:
        """Show a table in a notebook."""
        diagonal = self.U.diagonal()
        rows = {
            "n": self.A.shape[0],
            "entries of A": self.A.nnz,
            "entries of L": self.L.nnz,
            "entries of U": self.U.nnz,
            "diagonal of U": f"{diagonal.min():.4g} to {diagonal.max():.4g}",
        }
        body = "".join(f"<tr><th>{key}</th><td>{value}</td></tr>" for key, value in rows.items())
        return f"<table><caption>LU pair {escape(self.name)}</caption>{body}</table>"

    def __repr__(self) -> str:
        return (
            f"LUPair({self.name!r}, n={self.A.shape[0]}, nnz(A)={self.A.nnz}, "
            f"nnz(L)={self.L.nnz}, nnz(U)={self.U.nnz})"
        )


class PairSource(Protocol):
    """What :func:`~precondbench.quality.evaluate` needs of a dataset."""

    def __len__(self) -> int:
        """Return the number of pairs."""
        ...

    def pair(self, index: int) -> Pair:
        """Return one pair."""
        ...
