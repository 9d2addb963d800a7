"""Conjugate gradients with a derivative: a fixed number of steps, unrolled.

Substitutions are the solver's kernels, with their adjoint. For z = L^-T L^-1 r with y = L^-1 r,
and a derivative g by z, let u = L^-1 g and w = L^-T u: then w is the derivative by r, and that by
L_ij is -(w_i y_j + z_i u_j).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from precondbench.baselines.batch import GraphBatch
from precondbench.baselines.elimination.levels import pattern_of
from precondbench.solvers import Triangles, backward, forward, lower_triangles

Vector = NDArray[np.float64]


# One side at a time.
_ZERO = (0.0,)


def _lower(triangles: Triangles, b: Vector) -> Vector:
    """L^-1 b."""
    x = np.empty((b.size, 1))
    forward(_ZERO, triangles[0], b[:, None], x)
    return x[:, 0]


def _upper(triangles: Triangles, b: Vector) -> Vector:
    """L^-T b."""
    x = b[:, None].copy()
    backward(_ZERO, triangles[1], x, x)
    return x[:, 0]


class _Applied(torch.autograd.Function):
    """(L L^T)^-1 r on the CPU, as a function of the values of L and of r."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, r: Tensor, ends: Tensor, triangles: Triangles) -> Tensor:
        y = _lower(triangles, r.detach().numpy())
        z = _upper(triangles, y)
        ctx.kept = ends.numpy(), triangles, y, z
        return torch.from_numpy(z)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (column, row), triangles, y, z = ctx.kept
        u = _lower(triangles, gradient.contiguous().numpy())
        w = _upper(triangles, u)
        by_entry = -(w[row] * y[column] + z[row] * u[column])
        return torch.from_numpy(by_entry), torch.from_numpy(w), None, None


def residuals(values: Tensor, graphs: GraphBatch, b: Tensor, steps: int) -> list[Tensor]:
    """Solve with the factors of several graphs, on the CPU: r^T M r before each step and after all.

    M = (L L^T)^-1; ``values`` and ``b`` are float64, on the lower edges and the nodes.
    """
    ends = graphs.lower_ends.cpu()
    triangles = lower_triangles(
        pattern_of(graphs.edge_index, graphs.lower), values.detach().numpy()
    )
    of_node = graphs.batch.cpu()
    source, target = graphs.edge_index.cpu()
    a = graphs.edge_attr[:, 0].double().cpu()
    tiny = torch.finfo(torch.float64).tiny

    def dot(x: Tensor, y: Tensor) -> Tensor:
        return x.new_zeros(graphs.num_graphs).index_add(0, of_node, x * y)

    def apply(r: Tensor) -> Tensor:
        z: Tensor = _Applied.apply(values, r, ends, triangles)  # type: ignore[no-untyped-call]
        return z

    r, z = b, apply(b)
    p, found = z, [dot(r, z)]
    for _ in range(steps):
        q = torch.zeros_like(p).index_add(0, target, a * p[source])
        energy = dot(p, q)
        # Where nothing is left of a residual, nothing is divided by nothing. In single precision an
        # ill-conditioned matrix may not be positive definite: its solve stands still from there.
        alpha = torch.where(energy > 0.0, found[-1] / energy.clamp_min(tiny), 0.0)
        r = r - alpha[of_node] * q
        z = apply(r)
        found.append(dot(r, z))
        p = z + (found[-1] / found[-2].clamp_min(tiny))[of_node] * p
    return found
