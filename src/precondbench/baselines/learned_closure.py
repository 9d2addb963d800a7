"""Local-patch Inv-K whose patches know by learning what lies beyond them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from precondbench.baselines.edge_model import mlp
from precondbench.baselines.elimination import pattern_of
from precondbench.baselines.lower_network import LowerNetwork, silent
from precondbench.baselines.patch_closure import closed_patches
from precondbench.baselines.registry import register_model

__all__ = ["LearnedClosure"]

# A neighbour beyond the boundary reduces a pivot by at most so many times what it would reduce
# it by if it had no other neighbours, and at first by as much as that.
MOST = 4.0
START = -1.1


@register_model("LearnedClosure")
class LearnedClosure(nn.Module):
    r"""Local-patch Inv-K with ``rounds`` - 1 hops, and a learned reduction of each boundary node.

    Inv-K eliminates all nodes outside a column; ``local_invk`` eliminates those of a patch, and
    takes A as it is at the boundary, as if there were nothing beyond. Here a node p of the boundary
    keeps a_pp - sum_q w_pq a_pq^2 / a_qq over its neighbours q beyond, w_pq in (0, 4) from
    message passing on A with ``rounds`` rounds: the pivot that eliminating q would leave, if w_pq
    is right. On a tridiagonal matrix the right w_pq make it exact; they depend on all rows on the
    far side of q. Elsewhere, entries between boundary nodes are left as they are.

    It is local: an entry sees about 2 ``rounds`` hops. Each column is the solution of a linear
    system in double precision, and where a reduced patch is not positive definite it is taken
    as it is. Equivariant under scaling of A. ``k-condition`` is the loss that asks for it.

    Parameters
    ----------
    rounds, width : int
        Rounds of message passing, one more than the hops of the patches; width of the network.

    Raises
    ------
    ConfigurationError
        If ``rounds`` or ``width`` is below 1.
    """

    # Patches are solved in double precision.
    core = "tril"
    core_dtype = torch.float64
    raw_features = True

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__()
        self.hops = rounds - 1
        self.network = LowerNetwork(rounds, width, node_features=2, edge_features=3)
        self.decoder = silent(mlp(width, width, 1))
        self.start = nn.Parameter(torch.tensor(START))

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor,
        lower: Tensor,
        batch: Tensor,
        core: Tensor,
    ) -> Tensor:
        """Return values on the lower edges, float64; ``core`` is tril(A) there."""
        pattern = pattern_of(edge_index, lower)
        column, row = edge_index.index_select(1, lower)
        scale = core[column == row].sqrt()
        a = core / scale[row] / scale[column]
        # All entries of A by rows, in the order of `symmetric_csr`.
        matrix = pattern.symmetric_csr(a.detach().cpu().numpy())
        near = torch.from_numpy(np.repeat(np.arange(pattern.n), np.diff(matrix.indptr)))
        near, far = (
            near.to(x.device),
            torch.from_numpy(matrix.indices.astype(np.int64)).to(x.device),
        )
        entries = torch.from_numpy(matrix.data).to(a)
        off = torch.where(near == far, 0.0, entries)
        value = entries.to(x.dtype)
        zero = a.new_zeros(pattern.n)
        weight = zero.index_add(0, near, off.square())
        degree = torch.bincount(near, minlength=pattern.n).to(x.dtype)
        nodes = torch.stack([weight.to(x.dtype).log1p(), degree.log()], dim=1)
        edges = torch.stack([value, value.abs(), (near - far).sign().to(x.dtype)], dim=1)
        _, e = self.network(nodes, edges, far, near)
        numbers = MOST * torch.sigmoid(self.start + self.decoder(e).squeeze(1))
        outside = numbers.double() * off.square()
        return scale[row] * closed_patches(outside, a, pattern, self.hops)
