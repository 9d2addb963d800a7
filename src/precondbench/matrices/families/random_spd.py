"""Products of a sparse random matrix with its transpose (family ``random-spd``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy

from precondbench._internal import kernel
from precondbench.matrices.families.family import Parameter, ParametricFamily
from precondbench.matrices.families.system import DiscreteSystem
from precondbench.matrices.random_bits import UniformStream


def random_spd(
    stream: UniformStream, n: int, entries: float, shift: float
) -> scipy.sparse.csr_array:
    """Return M M^T + shift I for a random M with about ``entries`` entries a row.

    A row of M has floor(entries + u) places, u uniform on [0, 1), each uniform on all columns;
    places that are drawn twice count once. Values have mean 0 and variance 1 and are nearly
    normal. Sums go through the columns of M in ascending order.
    """
    counts = np.floor(entries + stream.uniform(n)).astype(np.int64)
    rows = np.repeat(np.arange(n), counts)
    columns = (stream.uniform(len(rows)) * n).astype(np.int64)
    keys = np.unique(rows * n + columns)
    rows, columns = keys // n, keys % n
    values = stream.near_normal(len(keys))
    indptr, indices, data = _with_transpose(n, rows, columns, values, shift)
    A = scipy.sparse.csr_array((data, indices, indptr), shape=(n, n))
    A.sort_indices()
    A.eliminate_zeros()
    return A


@kernel
def _with_transpose(n: int, rows: Any, columns: Any, values: Any, shift: float) -> Any:
    by_row = np.zeros(n + 1, dtype=np.int64)
    by_column = np.zeros(n + 1, dtype=np.int64)
    for entry in range(rows.shape[0]):
        by_row[rows[entry] + 1] += 1
        by_column[columns[entry] + 1] += 1
    most = n
    for i in range(n):
        most += by_column[i + 1] * by_column[i + 1]
        by_row[i + 1] += by_row[i]
        by_column[i + 1] += by_column[i]
    order = np.empty(rows.shape[0], dtype=np.int64)
    free = by_column[:-1].copy()
    for entry in range(rows.shape[0]):
        order[free[columns[entry]]] = entry
        free[columns[entry]] += 1
    indptr = np.zeros(n + 1, dtype=np.int64)
    indices = np.empty(most, dtype=np.int64)
    data = np.empty(most)
    place = np.full(n, -1, dtype=np.int64)
    end = 0
    for i in range(n):
        begin = end
        place[i] = end
        indices[end], data[end] = i, 0.0
        end += 1
        for entry in range(by_row[i], by_row[i + 1]):
            column = columns[entry]
            for position in range(by_column[column], by_column[column + 1]):
                other = order[position]
                j = rows[other]
                if place[j] < begin:
                    place[j] = end
                    indices[end], data[end] = j, 0.0
                    end += 1
                data[place[j]] += values[entry] * values[other]
        data[begin] += shift
        indptr[i + 1] = end
    return indptr, indices[:end].copy(), data[:end].copy()


def _draw(stream: UniformStream, n: int, parameters: Mapping[str, float]) -> list[DiscreteSystem]:
    A = random_spd(stream, n, parameters["entries"], parameters["shift"])
    return [DiscreteSystem(A, near_null_space="none", facts=dict(parameters))]


FAMILIES = (
    ParametricFamily(
        name="random-spd",
        title="Random matrices",
        stream=10,
        draw_systems=_draw,
        description="M M^T plus a small multiple of the identity, for a sparse M whose entries are "
        "random in place and value.",
        parameters={
            "entries": Parameter(2.0, 4.0, "entries in a row of M", most=100.0),
            "shift": Parameter(1e-4, 1e-2, "multiple of the identity", decades=True),
        },
        axes={"contrast": {"shift": (1e-7, 1e-5)}, "mesh": {"entries": 6.0}},
    ),
)
