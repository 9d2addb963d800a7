"""NeuralIF on the random matrices of its authors.

    python benchmarks/ledger/neural_if.py --json FILE [--steps 5000] [--out runs/ledger]

Häusner, Öktem and Sjölund (arXiv:2305.16368), built from the authors' code
(github.com/paulhausner/neural-incomplete-factorization):

- A = M M^T + 1e-3 I, n = 10,000, M of 100,000 places drawn at random with standard normal values,
  1000 matrices to train on, 10 to validate, 100 to test;
- eight numbers a node: its position, over n here, its degree, smallest, largest, mean and deviation
  of its neighbours' degrees, diagonal dominance and decay; one number an entry;
- three blocks of two graph networks with eight hidden units, on tril(A) and on its transpose;
  messages are averaged in the first and added in the second; the second and third block also read
  A; the diagonal is sqrt(exp(.));
- AdamW with its default settings, gradients clipped to norm 1, one matrix a step,
  ||(L L^T - A) z|| with one normal z; weights with the fewest iterations on validation matrices.

The rule and the numbers are those of Yang et al. (arXiv:2510.27517, table 4), who ran the authors'
code on these data: b = A 1 and ||r|| <= 1e-8 ||b||; IC(0) is that of cuSPARSE, in the order given.
Training takes 100,000 steps there. It goes on where it stopped; ``--out`` is the folder of its
state.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from records import facts, keep, options_parser, prepare, restored, statistics, times, write
from torch import Tensor, nn

from precondbench import ic0, pcg
from precondbench.baselines import mlp

ROWS, PLACES, SHIFT = 10_000, 100_000, 1e-3
TRAIN, VALIDATION, TEST = 1000, 10, 100
HIDDEN, BLOCKS, FEATURES = 8, 3, 8
PRINTED = {"IC(0)": 385, "Jacobi": 970, "NeuralIF": 354}
TOLERANCE, MOST = 1e-8, 10_000
# Streams that no split uses.
SEED = 79_000
CHECKED_EVERY = 500


def drawn(number: int, n: int = ROWS, places: int = PLACES) -> sp.csr_array:
    """Return a matrix."""
    random = np.random.default_rng([SEED, number])
    at = np.unique(random.integers(0, n * n, places))
    M = sp.csr_array((random.standard_normal(at.size), (at // n, at % n)), (n, n))
    A = sp.csr_array(M @ M.T + SHIFT * sp.eye_array(n))
    A.sort_indices()
    return A


@dataclass(frozen=True)
class Graph:
    """tril(A): rows, columns and entries, numbers of the nodes, and the diagonal's positions."""

    row: Tensor
    column: Tensor
    entries: Tensor
    nodes: Tensor
    diagonal: Tensor

    @classmethod
    def of(cls, A: sp.csr_array) -> Graph:
        """Read a matrix."""
        lower = sp.csr_array(sp.tril(A, format="csr"))
        lower.sort_indices()
        row = np.repeat(np.arange(A.shape[0]), np.diff(lower.indptr))
        return cls(
            row=torch.from_numpy(row),
            column=torch.from_numpy(lower.indices.astype(np.int64)),
            entries=torch.from_numpy(lower.data.astype(np.float32)),
            nodes=torch.from_numpy(features(A)),
            diagonal=torch.from_numpy(lower.indptr[1:].astype(np.int64) - 1),
        )

    def times(self, values: Tensor, z: Tensor, *, transposed: bool = False) -> Tensor:
        """Multiply the triangular matrix of those values, or its transpose, by a vector."""
        out, come = (self.column, self.row) if transposed else (self.row, self.column)
        return times(out, come, values, z)

    def matrix_times(self, z: Tensor) -> Tensor:
        """A z."""
        both = self.times(self.entries, z) + self.times(self.entries, z, transposed=True)
        return both - self.entries[self.diagonal] * z


def features(A: sp.csr_array) -> NDArray[np.float32]:
    """Return the eight numbers of each node."""
    n = A.shape[0]
    degree = np.diff(A.indptr).astype(float)
    of_neighbours = degree[A.indices]
    starts = A.indptr[:-1]
    least, most = (op.reduceat(of_neighbours, starts) for op in (np.minimum, np.maximum))
    mean = np.add.reduceat(of_neighbours, starts) / degree
    squares = np.add.reduceat((of_neighbours - np.repeat(mean, np.diff(A.indptr))) ** 2, starts)
    deviation = np.sqrt(squares / np.maximum(degree - 1.0, 1.0))
    diagonal = np.abs(A.diagonal())
    rest = abs(A - sp.diags_array(A.diagonal()))
    columns = [np.arange(n) / n, degree, least, most, mean, deviation]
    for size in (np.asarray(rest.sum(axis=1)).ravel(), rest.max(axis=1).toarray().ravel()):
        ratio = diagonal / np.maximum(size, np.finfo(float).tiny)
        columns.append(np.where(size > 0.0, ratio / (ratio + 1.0), 1.0))
    return np.stack(columns, axis=1).astype(np.float32)


class GraphNet(nn.Module):
    """e_ij <- MLP(h_i, h_j, e_ij), h_i <- MLP(h_i, mean or sum over j of e_ij)."""

    def __init__(self, inputs: int, *, mean: bool) -> None:
        super().__init__()
        self.mean = mean
        self.of_ends = nn.Linear(2 * FEATURES, HIDDEN, bias=False)
        self.edge = mlp(inputs, HIDDEN, 1)
        self.node = mlp(1 + FEATURES, HIDDEN, FEATURES)

    def forward(self, h: Tensor, e: Tensor, row: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
        """Return new numbers of entries, [entries, 1], and of nodes."""
        of_row, of_column = torch.split(self.of_ends.weight, FEATURES, dim=1)
        first, activation, second = self.edge
        ends = (h @ of_row.T).index_select(0, row) + (h @ of_column.T).index_select(0, column)
        hidden = first(e) + ends
        e = second(activation(hidden))
        received = torch.zeros(h.shape[0]).scatter_add(0, row, e[:, 0])
        if self.mean:
            received = received / torch.bincount(row, minlength=h.shape[0])
        return e, self.node(torch.cat([h, received[:, None]], dim=1))


class NeuralIF(nn.Module):
    """Values of L on the pattern of tril(A)."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(GraphNet(1 + (k > 0), mean=True) for k in range(BLOCKS))
        self.up = nn.ModuleList(GraphNet(1, mean=False) for _ in range(BLOCKS))

    def forward(self, graph: Graph) -> Tensor:
        """Return one value for each entry."""
        h, a = graph.nodes, graph.entries[:, None]
        e = a
        for k, (down, up) in enumerate(zip(self.down, self.up, strict=True)):
            e, h = down(h, torch.cat([e, a], dim=1) if k else e, graph.row, graph.column)
            e, h = up(h, e, graph.column, graph.row)
        values = e[:, 0]
        pivots = (0.5 * values[graph.diagonal]).exp()
        return values.index_copy(0, graph.diagonal, pivots)


Factor = Callable[[sp.csr_array], sp.csr_array]


def predicted_by(network: NeuralIF) -> Factor:
    """Return what predicts the factor of a matrix."""

    def factor(A: sp.csr_array) -> sp.csr_array:
        graph = Graph.of(A)
        with torch.no_grad():
            values = network(graph).double().numpy()
        return sp.csr_array((values, (graph.row.numpy(), graph.column.numpy())), A.shape)

    return factor


def jacobi(A: sp.csr_array) -> sp.csr_array:
    """Return the square root of the diagonal."""
    return sp.csr_array(sp.diags_array(np.sqrt(A.diagonal())))


def iterations(factor: Factor, numbers: range) -> list[int]:
    """Return iterations of conjugate gradients by their rule."""
    counts = []
    for number in numbers:
        A = drawn(number)
        result = pcg(A, A @ np.ones(A.shape[0]), factor(A), rtol=TOLERANCE, maxiter=MOST)
        counts.append(result.iterations if result.status == "converged" else MOST)
    return counts


def trained(seed: int, state: Path, steps: int) -> tuple[NeuralIF, dict[str, Any]]:
    """Train, from where the file stopped; return the best network and the course."""
    torch.manual_seed(seed)
    network = NeuralIF()
    optimiser = torch.optim.AdamW(network.parameters())
    kept = {"checks": []} | restored(state, network, optimiser)
    validation = range(TRAIN, TRAIN + VALIDATION)
    graphs: dict[int, Graph] = {}
    while kept["steps"] < steps:
        began = time.perf_counter()
        # Steps from here are the same, whether or not training was stopped here.
        random = torch.Generator().manual_seed(seed * 10**7 + kept["steps"])
        total = 0.0
        for number in torch.randint(TRAIN, (CHECKED_EVERY,), generator=random).tolist():
            if number not in graphs:
                graphs[number] = Graph.of(drawn(number))
            graph = graphs[number]
            z = torch.randn(ROWS, generator=random)
            values = network(graph)
            rest = graph.times(values, graph.times(values, z, transposed=True))
            loss = torch.linalg.vector_norm(rest - graph.matrix_times(z))
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
            total += loss.item() / CHECKED_EVERY
        kept["steps"] += CHECKED_EVERY
        kept["seconds"] += time.perf_counter() - began
        kept["checks"].append(float(np.mean(iterations(predicted_by(network), validation))))
        if kept["checks"][-1] == min(kept["checks"]):
            kept["best"] = {key: one.clone() for key, one in network.state_dict().items()}
        keep(state, network, optimiser, kept)
        where = f"step {kept['steps']}: loss {total:.4g}, validation {kept['checks'][-1]:.1f}"
        print(f"{where}, {kept['seconds']:.0f} s", flush=True)
    network.load_state_dict(kept["best"])
    return network, kept


def main() -> None:
    """Train, test and write."""
    options = options_parser(__doc__, 5000).parse_args()
    prepare(options.out)
    state = options.out / f"neural_if-{options.seed}.pt"
    network, kept = trained(options.seed, state, options.steps)
    tests = range(TRAIN + VALIDATION, TRAIN + VALIDATION + TEST)
    methods = {"IC(0)": ic0, "Jacobi": jacobi, "NeuralIF": predicted_by(network)}
    measured = {name: statistics(iterations(factor, tests)) for name, factor in methods.items()}
    row = {
        "case": {"n": ROWS},
        "printed": PRINTED,
        "measured": measured,
        "checked_every": CHECKED_EVERY,
        "validation": [round(check, 1) for check in kept["checks"]],
        "best_step": CHECKED_EVERY * (1 + int(np.argmin(kept["checks"]))),
        **facts(network, options.seed, kept),
    }
    write(options.json, "NeuralIF", "arXiv:2305.16368, arXiv:2510.27517", [row])
    print(measured)


if __name__ == "__main__":
    main()
