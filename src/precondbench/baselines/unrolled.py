"""Conjugate gradients with a derivative: a fixed number of steps, unrolled.

Substitutions are compiled kernels with their adjoint. For z = L^-T L^-1 r with y = L^-1 r, and a
derivative g by z, let u = L^-1 g and w = L^-T u: then w is the derivative by r, and that by L_ij is
-(w_i y_j + z_i u_j).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from precondbench._internal import kernel
from precondbench.baselines.batch import GraphBatch


@kernel
def _forward(indptr, indices, values, b):  # type: ignore[no-untyped-def]
    """Return L^-1 b, row by row; the diagonal is the last entry of a row."""
    x = b.copy()
    for i in range(indptr.size - 1):
        end = indptr[i + 1] - 1
        for q in range(indptr[i], end):
            x[i] -= values[q] * x[indices[q]]
        x[i] /= values[end]
    return x


@kernel
def _backward(indptr, indices, values, b):  # type: ignore[no-untyped-def]
    """Return L^-T b."""
    x = b.copy()
    for i in range(indptr.size - 2, -1, -1):
        end = indptr[i + 1] - 1
        x[i] /= values[end]
        for q in range(indptr[i], end):
            x[indices[q]] -= values[q] * x[i]
    return x


@kernel
def _outer(indptr, indices, w, y, z, u):  # type: ignore[no-untyped-def]
    """-(w_i y_j + z_i u_j) at each entry."""
    found = np.empty(indices.size, np.float64)
    for i in range(indptr.size - 1):
        for q in range(indptr[i], indptr[i + 1]):
            j = indices[q]
            found[q] = -(w[i] * y[j] + z[i] * u[j])
    return found


class _Applied(torch.autograd.Function):
    """(L L^T)^-1 r on the CPU, as a function of the values of L and of r."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, r: Tensor, indptr: Tensor, indices: Tensor) -> Tensor:
        pattern = indptr.numpy(), indices.numpy()
        entries = values.detach().numpy()
        y = _forward(*pattern, entries, r.detach().numpy())
        z = _backward(*pattern, entries, y)
        ctx.kept = pattern, entries, y, z
        return torch.from_numpy(z)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        pattern, entries, y, z = ctx.kept
        u = _forward(*pattern, entries, np.ascontiguousarray(gradient.numpy()))
        w = _backward(*pattern, entries, u)
        return torch.from_numpy(_outer(*pattern, w, y, z, u)), torch.from_numpy(w), None, None


def residuals(values: Tensor, graphs: GraphBatch, b: Tensor, steps: int) -> list[Tensor]:
    """Solve with the factors of several graphs, on the CPU: r^T M r before each step and after all.

    M = (L L^T)^-1; ``values`` and ``b`` are float64, on the lower edges and the nodes.
    """
    column, row = graphs.lower_ends.cpu()
    of_node = graphs.batch.cpu()
    source, target = graphs.edge_index.cpu()
    a = graphs.edge_attr[:, 0].double().cpu()
    indptr = torch.zeros(of_node.numel() + 1, dtype=torch.int64)
    indptr[1:] = torch.bincount(row, minlength=of_node.numel()).cumsum(0)
    tiny = torch.finfo(torch.float64).tiny

    def dot(x: Tensor, y: Tensor) -> Tensor:
        return x.new_zeros(graphs.num_graphs).index_add(0, of_node, x * y)

    def apply(r: Tensor) -> Tensor:
        z: Tensor = _Applied.apply(values, r, indptr, column)  # type: ignore[no-untyped-call]
        return z

    r, z = b, apply(b)
    p, found = z, [dot(r, z)]
    for _ in range(steps):
        q = torch.zeros_like(p).index_add(0, target, a * p[source])
        # Where nothing is left of a residual, nothing is divided by nothing.
        alpha = found[-1] / dot(p, q).clamp_min(tiny)
        r = r - alpha[of_node] * q
        z = apply(r)
        found.append(dot(r, z))
        p = z + (found[-1] / found[-2].clamp_min(tiny))[of_node] * p
    return found
