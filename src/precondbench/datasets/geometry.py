"""Knowledge of a matrix beside its entries: coordinates, coefficients, near null space."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch_geometric.data import Data

from precondbench.errors import ConfigurationError
from precondbench.matrices import NearNullSpace, near_null_vectors
from precondbench.shards import Record, Shard


def geometry_of(record: Record, row_scale: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Return the geometry of a record, by row.

    Parameters
    ----------
    record : Record
        With the facts of a system of a family.
    row_scale : numpy.ndarray
        S of the served system S A S, float64 (n,).

    Returns
    -------
    dict of str to numpy.ndarray
        float64 with n rows: ``pos``, ``coefficients`` and ``near_null``, without those that the
        record does not have.
    """
    coordinates = record.geometry.get("coordinates")
    kind = cast(NearNullSpace, record.facts.get("near_null_space", "none"))
    by_row = {
        "pos": coordinates,
        "coefficients": record.geometry.get("coefficients"),
    }
    found = {
        name: np.repeat(values, record.unknowns, axis=0)
        for name, values in by_row.items()
        if values is not None
    }
    if kind != "none":
        vectors = near_null_vectors(kind, record.n, coordinates)
        found["near_null"] = vectors / row_scale[:, None]
    return found


def add_geometry(
    data: Data,
    slices: dict[str, Any],
    shard: Shard,
    records: NDArray[np.int64],
    row_scale: NDArray[np.float64],
) -> None:
    """Add the geometry of some records to their collated graphs, see :class:`ParametricInvK`."""
    if not shard.geometry:
        raise ConfigurationError(
            f"{shard.path} has no coordinates or coefficients; open it without geometry=True"
        )
    rows: Any = slices["x"]
    parts: dict[str, list[NDArray[np.float64]]] = {}
    unknown, widths = [], []
    for position, number in enumerate(records.tolist()):
        record = shard.record(number)
        part = slice(int(rows[position]), int(rows[position + 1]))
        for name, values in geometry_of(record, row_scale[part]).items():
            parts.setdefault(name, []).append(values)
        unknown.append(np.arange(record.n) % record.unknowns)
        widths.append(float(record.facts.get("h", float("nan"))))
    each = torch.arange(records.size + 1)
    for name, arrays in parts.items():
        data[name] = torch.from_numpy(np.concatenate(arrays)).float()
        slices[name] = rows
    data.unknown = torch.from_numpy(np.concatenate(unknown))
    slices["unknown"] = rows
    if np.all(np.isfinite(widths)):
        data.h = torch.tensor(widths, dtype=torch.float32)
        slices["h"] = each


def geometry_features(data: Data) -> Data:
    """Append the geometry to the features of nodes and edges: a transform.

    To ``x``: the coefficients, the near null vectors and log h; to ``edge_attr``: the difference of
    the coordinates and whether both rows belong to one node. What the graph does not have is left
    out.

    Parameters
    ----------
    data : torch_geometric.data.Data
        From a dataset with ``geometry=True``.

    Returns
    -------
    torch_geometric.data.Data
        A copy with wider ``x`` and ``edge_attr``.

    Raises
    ------
    ConfigurationError
        If the graph has no geometry.

    Examples
    --------
    >>> from precondbench import ParametricInvK
    >>> from precondbench.datasets import geometry_features
    >>> data = ParametricInvK.generate(
    ...     "diffusion-2d", n=64, count=1, geometry=True, transform=geometry_features
    ... )
    >>> data[0].x.shape[1], data[0].edge_attr.shape[1]
    (4, 4)
    """
    if "unknown" not in data:
        raise ConfigurationError(
            "the graph has no geometry; open the dataset with geometry=True before this transform"
        )
    data = data.clone()
    nodes = [data.x, *(data[name] for name in ("coefficients", "near_null") if name in data)]
    if "h" in data:
        nodes.append(torch.log(data.h).expand(data.num_nodes).unsqueeze(1))
    edges = [data.edge_attr]
    source, target = data.edge_index
    if "pos" in data:
        edges.append(data.pos[target] - data.pos[source])
    if int(data.unknown.max()):
        node = torch.cumsum(data.unknown == 0, 0)
        edges.append((node[source] == node[target]).to(edges[0].dtype).unsqueeze(1))
    data.x = torch.cat(nodes, dim=1)
    data.edge_attr = torch.cat(edges, dim=1)
    return data
