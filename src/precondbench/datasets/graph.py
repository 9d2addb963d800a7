"""Tensors of PyG graphs from the contiguous arrays of a shard, without a loop over records."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch_geometric.data import Data

from precondbench._internal import kernel
from precondbench.factors import LowerPattern
from precondbench.matrices import power_of_two_scaling
from precondbench.shards import both_triangles


@dataclass(frozen=True)
class GraphArrays:
    """Many lower-triangular records, one after the other, on one block-diagonal pattern.

    Record i owns rows ``row_offsets[i]:row_offsets[i + 1]`` and entries ``nnz_offsets[i]:
    nnz_offsets[i + 1]``; ``a`` and ``l`` are the values of tril(A) and of L, if there is one. Where
    A is not symmetric, ``a_upper`` and ``u`` are its upper triangle and U, transposed.
    """

    names: list[str]
    row_offsets: NDArray[np.int64]
    nnz_offsets: NDArray[np.int64]
    pattern: LowerPattern
    a: NDArray[np.float64]
    l: NDArray[np.float64] | None  # noqa: E741 - the factor L has no better name
    a_upper: NDArray[np.float64] | None = None
    u: NDArray[np.float64] | None = None
    scale: NDArray[np.float64] | None = None

    @property
    def diagonal(self) -> NDArray[np.float64]:
        """Diagonal entries of A, float64 (rows,)."""
        return self.a[self.pattern.indptr[1:] - 1]

    def row_scale(self) -> NDArray[np.float64]:
        """What each row was multiplied by, float64 (rows,)."""
        return np.ones(self.pattern.n) if self.scale is None else self.scale

    @property
    def nonsymmetric(self) -> bool:
        """Whether there are upper triangles."""
        return self.a_upper is not None

    def all_entries(self) -> NDArray[np.float64]:
        """Values of A on the whole pattern, in CSR order."""
        return both_triangles(
            self.pattern, self.a, self.a if self.a_upper is None else self.a_upper
        )

    def all_targets(self) -> NDArray[np.float64]:
        """Return L and U stored together on the whole pattern; L alone has no such form."""
        assert self.l is not None
        assert self.u is not None
        return both_triangles(self.pattern, self.l, self.u)

    def scaled(self) -> GraphArrays:
        """Return symmetric records scaled by powers of two to diagonals in [0.5, 2), exactly."""
        assert not self.nonsymmetric
        scale = power_of_two_scaling(self.diagonal)
        by_row = np.repeat(scale, np.diff(self.pattern.indptr))
        lower = None if self.l is None else self.l * by_row
        by_row *= scale[self.pattern.indices]
        return GraphArrays(
            self.names,
            self.row_offsets,
            self.nnz_offsets,
            self.pattern,
            self.a * by_row,
            lower,
            scale=scale,
        )


@kernel
def _edges(row_offsets, indptr, indices, a, upper):  # type: ignore[no-untyped-def]
    """Edges of both triangles by target, those of a target by source, and which are lower."""
    n = indptr.size - 1
    following = np.zeros(n + 1, np.int64)
    for i in range(n):
        following[i + 1] += indptr[i + 1] - indptr[i]
        for t in range(indptr[i], indptr[i + 1] - 1):
            following[indices[t] + 1] += 1
    following = np.cumsum(following)
    count = following[n]
    ends = np.empty((2, count), np.int64)
    features = np.empty((count, 2), np.float32)
    lower = np.empty(count, np.bool_)
    for r in range(row_offsets.size - 1):
        first = row_offsets[r]
        for i in range(first, row_offsets[r + 1]):
            # Entries above the diagonal of row i come from rows below it, so after its lower ones.
            for t in range(indptr[i], indptr[i + 1]):
                j = indices[t]
                e = following[i]
                following[i] += 1
                ends[0, e], ends[1, e] = j - first, i - first
                features[e, 0], features[e, 1] = a[t], 1.0 if j < i else 0.0
                lower[e] = True
                if j < i:
                    e = following[j]
                    following[j] += 1
                    ends[0, e], ends[1, e] = i - first, j - first
                    features[e, 0], features[e, 1] = upper[t], -1.0
                    lower[e] = False
    return ends, features, lower


def collate_graphs(arrays: GraphArrays) -> tuple[Data, dict[str, Any]]:
    """Return the collated ``Data`` and slices of a PyG ``InMemoryDataset``, one graph a record.

    An edge j -> i for every nonzero A_ij, sorted by i then j, self loops included. ``x`` float32
    (rows, 1): A_ii; ``edge_attr`` float32 (edges, 2): A_ij and sign(i - j); ``lower_mask``: i >= j;
    ``y`` float64: L on the edges under the mask. Where A is not symmetric, the mask is True on
    every edge, and ``y`` holds L and U.
    """
    pattern = arrays.pattern
    count = len(arrays.names)
    upper = arrays.a if arrays.a_upper is None else arrays.a_upper
    edge_index, edges, lower = _edges(
        arrays.row_offsets, pattern.indptr, pattern.indices, arrays.a, upper
    )
    edge_offsets = 2 * arrays.nnz_offsets - arrays.row_offsets
    diagonal = arrays.diagonal.astype(np.float32)

    y, y_offsets = arrays.l, arrays.nnz_offsets
    if arrays.nonsymmetric:
        lower, y, y_offsets = np.ones_like(lower), arrays.all_targets(), edge_offsets
    data = Data(
        x=torch.from_numpy(diagonal[:, None]),
        edge_index=torch.from_numpy(edge_index),
        edge_attr=torch.from_numpy(edges),
        y=None if y is None else torch.from_numpy(y),
        lower_mask=torch.from_numpy(lower),
    )
    data.name = list(arrays.names)
    by_edge = torch.from_numpy(edge_offsets)
    slices = {
        "x": torch.from_numpy(arrays.row_offsets.astype(np.int64)),
        "edge_index": by_edge,
        "edge_attr": by_edge,
        **({} if y is None else {"y": torch.from_numpy(y_offsets.astype(np.int64))}),
        "lower_mask": by_edge,
        "name": torch.arange(count + 1),
    }
    return data, slices


# The default representation of an object is its address, not its content.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def describe(function: Callable[..., Any] | None) -> str | None:
    """Describe a transform, or return None if it cannot be known from outside; then do not cache
    it.

    Functions are distinguished by code, defaults and closure, PyG transforms by their
    representation, which shows their arguments. No transform is the empty text.

    >>> describe(lambda item: item.x > 1) == describe(lambda item: item.x > 2)
    False
    >>> class Opaque:
    ...     def __call__(self, item):
    ...         return item
    >>> describe(Opaque()) is None
    True
    """
    if function is None:
        return ""
    if isinstance(function, FunctionType):
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        text = repr(
            (
                function.__module__,
                function.__qualname__,
                _code(function.__code__),
                function.__defaults__,
                function.__kwdefaults__,
                cells,
            )
        )
    else:
        text = f"{type(function).__module__}.{function!r}"
    if _ADDRESS.search(text):
        return None
    return hashlib.sha256(text.encode()).hexdigest()


def _code(code: CodeType) -> tuple[Any, ...]:
    constants = [
        _code(item) if isinstance(item, CodeType) else repr(item) for item in code.co_consts
    ]
    return (code.co_code.hex(), code.co_names, constants)
