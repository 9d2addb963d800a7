"""SPAI4GPU on the random matrices of NeuralIF, where its authors ran it.

    python benchmarks/ledger/spai4gpu.py --json FILE [--steps 4000] [--out runs/ledger]

Yang et al. (arXiv:2510.27517), built from the article and the authors' code
(github.com/Adversarr/LearningSparsePreconditioner4GPU):

- M^-1 = G G^T + eps I, G with the pattern of A, one number an entry; no triangular solves;
- four layers of width 24, perceptrons of one hidden layer with GELU, layer norms before each; a
  layer adds to the numbers of a node what a perceptron makes of the sum of messages, and to those
  of an entry a perceptron of the entry and its ends;
- ||A M^-1 w - w||^2 / ||w||^2 with one normal w for a matrix and step, AdamW with a rate of 1e-3
  and a decay of 3e-3, gradients clipped to norm 10, last weights; the rate falls to 0.99^500 of
  itself.

The rule and the numbers are those of their table 4: b = A 1 and ||r|| <= 1e-8 ||b||.

They train for 125,000 steps of four matrices with 10,000 rows, on a GPU. Here a step takes one
matrix with 1000 rows, drawn by the same law: as many entries a row, so that what a layer sees of a
matrix is alike. Chosen: eps = 3e-3, the default of the code, as number of a node the mean of the
entries of its row, and no scaling of A. Training goes on where it stopped; ``--out`` is the folder
of its state.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from neural_if import MOST, ROWS, TEST, TOLERANCE, TRAIN, VALIDATION, drawn, jacobi
from neural_if import iterations as iterations_of_a_factor
from records import facts, keep, options_parser, prepare, restored, statistics, times, write
from scipy.sparse.linalg import LinearOperator
from torch import Tensor, nn

from precondbench import ic0, pcg
from precondbench.baselines import mlp

SMALL, PLACES = 1000, 10_000
WIDTH, LAYERS, EPS = 24, 4, 3e-3
RATE, DECAY, FALL, CLIP = 1e-3, 3e-3, 0.99**500, 10.0
PRINTED = {"IC(0)": 385, "Jacobi": 970, "SPAI4GPU": 456}
SAVED_EVERY = 200


@dataclass(frozen=True)
class Graph:
    """A: rows, columns and entries, and the mean entry of each row."""

    row: Tensor
    column: Tensor
    entries: Tensor
    means: Tensor

    @classmethod
    def of(cls, A: sp.csr_array) -> Graph:
        """Read a matrix."""
        counts = np.diff(A.indptr)
        row = np.repeat(np.arange(A.shape[0]), counts)
        means = np.asarray(A.sum(axis=1)).ravel() / counts
        return cls(
            row=torch.from_numpy(row),
            column=torch.from_numpy(A.indices.astype(np.int64)),
            entries=torch.from_numpy(A.data.astype(np.float32)),
            means=torch.from_numpy(means.astype(np.float32)),
        )

    def times(self, values: Tensor, z: Tensor, *, transposed: bool = False) -> Tensor:
        """Multiply the matrix of those values, or its transpose, by a vector."""
        out, come = (self.column, self.row) if transposed else (self.row, self.column)
        return times(out, come, values, z)


class Layer(nn.Module):
    """Messages of entries to nodes, and of nodes to entries."""

    def __init__(self) -> None:
        super().__init__()
        self.message, self.edge = (_normed(3 * WIDTH, WIDTH) for _ in range(2))
        self.node = _normed(WIDTH, WIDTH)

    def forward(self, h: Tensor, e: Tensor, graph: Graph) -> tuple[Tensor, Tensor]:
        """Return new numbers of nodes and of entries."""
        given = _with_ends(h, e, graph)
        received = torch.zeros_like(h).index_add(0, graph.row, self.message(given))
        return h + self.node(received), e + self.edge(given)


def _with_ends(h: Tensor, e: Tensor, graph: Graph) -> Tensor:
    ends = [h.index_select(0, end) for end in (graph.row, graph.column)]
    return torch.cat([*ends, e], dim=1)


def _normed(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(inputs), mlp(inputs, WIDTH, outputs, activation=nn.GELU))


class SPAI4GPU(nn.Module):
    """Values of G on the pattern of A."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes, self.entries = (mlp(1, WIDTH, WIDTH, activation=nn.GELU) for _ in range(2))
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.decoder = mlp(3 * WIDTH, WIDTH, 1, activation=nn.GELU)

    def forward(self, graph: Graph) -> Tensor:
        """Return one value for each entry."""
        h, e = self.nodes(graph.means[:, None]), self.entries(graph.entries[:, None])
        for layer in self.layers:
            h, e = layer(h, e, graph)
        values: Tensor = self.decoder(_with_ends(h, e, graph))[:, 0]
        return values


def loss_of(values: Tensor, graph: Graph, w: Tensor) -> Tensor:
    """Return ||A M^-1 w - w||^2 / ||w||^2."""
    inverse = graph.times(values, graph.times(values, w, transposed=True)) + EPS * w
    return (graph.times(graph.entries, inverse) - w).square().sum() / w.square().sum()


def preconditioner(network: SPAI4GPU, A: sp.csr_array) -> LinearOperator:
    """Return M^-1 of a matrix."""
    with torch.no_grad():
        values = network(Graph.of(A)).double().numpy()
    G = sp.csr_array((values, A.indices, A.indptr), A.shape)
    transposed = sp.csr_array(G.T)
    return LinearOperator(A.shape, matvec=lambda r: G @ (transposed @ r) + EPS * r, dtype=float)


def iterations(network: SPAI4GPU, numbers: range, n: int, places: int) -> list[int]:
    """Return iterations of conjugate gradients by their rule."""
    counts = []
    for number in numbers:
        A = drawn(number, n=n, places=places)
        M = preconditioner(network, A)
        result = pcg(A, A @ np.ones(n), M=M, rtol=TOLERANCE, maxiter=MOST)
        counts.append(result.iterations if result.status == "converged" else MOST)
    return counts


def trained(seed: int, state: Path, steps: int) -> tuple[SPAI4GPU, dict[str, Any]]:
    """Train, from where the file stopped; return the network, and the steps and seconds."""
    torch.manual_seed(seed)
    network = SPAI4GPU()
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    kept = restored(state, network, optimiser)
    validation = range(TRAIN, TRAIN + VALIDATION)
    while kept["steps"] < steps:
        began = time.perf_counter()
        # Steps from here are the same, whether or not training was stopped here.
        random = torch.Generator().manual_seed(seed * 10**7 + kept["steps"])
        total, count = 0.0, min(SAVED_EVERY, steps - kept["steps"])
        for number in torch.randint(TRAIN, (count,), generator=random).tolist():
            graph = Graph.of(drawn(number, n=SMALL, places=PLACES))
            w = torch.randn(SMALL, generator=random)
            for group in optimiser.param_groups:
                group["lr"] = RATE * FALL ** (kept["steps"] / steps)
            loss = loss_of(network(graph), graph, w)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(network.parameters(), CLIP)
            optimiser.step()
            total += loss.item() / count
            kept["steps"] += 1
        kept["seconds"] += time.perf_counter() - began
        keep(state, network, optimiser, kept)
        found = np.mean(iterations(network, validation, SMALL, PLACES))
        where = f"step {kept['steps']}: loss {total:.4g}, {found:.1f}"
        print(f"{where}, {kept['seconds']:.0f} s", flush=True)
    return network, kept


def main() -> None:
    """Train, test and write."""
    options = options_parser(__doc__, 4000).parse_args()
    prepare(options.out)
    state = options.out / f"spai4gpu-{options.steps}-{options.seed}.pt"
    network, kept = trained(options.seed, state, options.steps)
    tests = range(TRAIN + VALIDATION, TRAIN + VALIDATION + TEST)
    classical = {"IC(0)": ic0, "Jacobi": jacobi}
    found = {name: iterations_of_a_factor(of, tests) for name, of in classical.items()}
    found["SPAI4GPU"] = iterations(network, tests, ROWS, 10 * ROWS)
    measured = {name: statistics(counts) for name, counts in found.items()}
    row = {
        "case": {"n": ROWS},
        "printed": PRINTED,
        "measured": measured,
        **facts(network, options.seed, kept),
    }
    write(options.json, "SPAI4GPU", "arXiv:2510.27517", [row])
    print(measured)


if __name__ == "__main__":
    main()
