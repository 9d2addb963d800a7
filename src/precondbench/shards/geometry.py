"""Geometry of records as columns of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precondbench.errors import ShardError
from precondbench.shards.record import GEOMETRY_DIGEST, UNKNOWNS, Record, check_identifier

_GROUP = "geometry/"


def geometry_columns(records: Sequence[Record], path: Path) -> dict[str, NDArray[np.float64]]:
    """Lay the geometry of records, which has the same names in all of them, end to end."""
    columns = {}
    for name in sorted(records[0].geometry):
        parts = [record.geometry[name] for record in records]
        if len({part.shape[1] for part in parts}) > 1:
            raise ShardError(f"{path}: {name} has more columns in some records than in others")
        columns[_GROUP + name] = np.concatenate(parts).reshape(-1)
    return columns


def geometry_arrays(
    columns: Mapping[str, NDArray[np.float64]], n: NDArray[np.int64], facts: Mapping[str, Any]
) -> dict[str, NDArray[np.float64]]:
    """Arrays of shape (nodes, k) from the columns of a file, checked."""
    if not columns:
        return {}
    if not isinstance(facts.get(GEOMETRY_DIGEST), list):
        raise ShardError(f"/index/{GEOMETRY_DIGEST} is missing; fetch or build the file again")
    unknowns = np.asarray(facts.get(UNKNOWNS, np.ones_like(n)))
    if unknowns.dtype != np.int64 or unknowns.min() < 1 or np.any(n % unknowns):
        raise ShardError(f"/index/{UNKNOWNS} does not divide /index/n; the file is not a shard")
    nodes = int(np.sum(n // unknowns))
    arrays = {}
    for key, values in columns.items():
        name = key.removeprefix(_GROUP)
        check_identifier(name, "geometry")
        if not values.size or values.size % nodes or not np.all(np.isfinite(values)):
            raise ShardError(
                f"/{key} has {values.size} values for {nodes} nodes, or values that are not "
                "finite; fetch or build the file again"
            )
        arrays[name] = values.reshape(nodes, -1)
    return arrays
