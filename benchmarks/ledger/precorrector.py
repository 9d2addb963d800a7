"""PreCorrector on the data, and by the rule, of its authors.

    python benchmarks/ledger/precorrector.py --json FILE [--variance 0.1 0.5] [--side 32]

Trifonov et al. (arXiv:2405.15557v3); settings and numbers are those of their public logs
(github.com/vltrifonov/PreCorrector, examples/final_elliptic_grid*_precor_gnn.ipynb):

- k = exp(phi) on (m + 1)^2 points, phi Gaussian of the given variance with covariance
  exp(-(d / 0.05)^2); a face between two unknowns has the mean of its two ends, the matrix is
  divided by h^2, h = 1 / (m + 1); fields are kept if max k / min k lies within bounds;
- 1000 matrices to train on, 200 to test; b of standard normal numbers, x the solution;
- Adam, 1e-3, 62,500 steps of 8 matrices drawn with replacement, ||L L^T x - b||^2, last weights;
- conjugate gradients in double precision from a normal x0 until ||r|| <= 1e-6, an absolute bound.

Here phi is a cubic spline of noise in place of a Gaussian field. Training goes on where it stopped;
``--out`` is the folder of its state.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from records import facts, keep, options_parser, prepare, restored, statistics, times, write
from torch import Tensor

from precondbench import ic0, pcg
from precondbench.baselines import GraphBatch
from precondbench.baselines.published.precorrector import PreCorrector
from precondbench.matrices import UniformStream
from precondbench.matrices.families.fields import smooth_field

LENGTH = 0.05
TRAIN, TEST, BATCH, STEPS, RATE = 1000, 200, 8, 62_500, 1e-3
ROUNDS, WIDTH = 5, 16
ABSOLUTE, MOST = 1e-6, 2000
# Of side and variance: bounds of max k / min k, smallest and largest that they report.
BOUNDS = {
    (32, 0.1): (5, 11),
    (32, 0.5): (35, 178),
    (64, 0.5): (46, 199),
    (64, 0.7): (200, 742),
    (64, 1.1): (400, 1200),
}
PRINTED: dict[tuple[int, float], dict[str, float]] = {
    (32, 0.1): {"IC(0)": 43.2, "PreCorrector": 28.8},
    (32, 0.5): {"IC(0)": 47.8, "PreCorrector": 32.6},
    (64, 0.5): {"PreCorrector": 53.8},
    (64, 0.7): {"PreCorrector": 59.5},
    (64, 1.1): {"PreCorrector": 68.5},
}
# Streams that no split uses.
SEED = 78_000
SAVED_EVERY = 500

Vector = NDArray[np.float64]


def matrix_of(k: Vector) -> sp.csr_array:
    """Return the five-point matrix of a coefficient on (m + 1)^2 points."""
    m = k.shape[0] - 1
    number = np.arange(m * m).reshape(m, m)
    down = 0.5 * (k[1:-1, :-1] + k[1:-1, 1:])
    right = 0.5 * (k[:-1, 1:-1] + k[1:, 1:-1])
    around = k[:-1, :-1] + k[:-1, 1:] + k[1:, :-1] + k[1:, 1:]
    i = np.concatenate([number[1:].ravel(), number[:, 1:].ravel()])
    j = np.concatenate([number[:-1].ravel(), number[:, :-1].ravel()])
    lower = sp.coo_array((-np.concatenate([down.ravel(), right.ravel()]), (i, j)), (m * m, m * m))
    return sp.csr_array((lower + lower.T + sp.diags_array(around.ravel())) * (m + 1.0) ** 2)


def drawn(side: int, variance: float, number: int) -> tuple[sp.csr_array, UniformStream]:
    """Return a matrix whose contrast they would keep, and a stream for vectors."""
    low, high = BOUNDS[side, variance]
    points = (np.arange(side + 1) + 0.5) / (side + 1)
    for attempt in range(10_000):
        stream = UniformStream(SEED, side, number, attempt)
        k = np.exp(variance**0.5 * smooth_field(stream, 2, LENGTH).on_grid([points, points]))
        if low <= k.max() / k.min() <= high:
            return matrix_of(k), UniformStream(SEED, side, number, 0, 1)
    raise RuntimeError("no draw has a contrast within the bounds")


class Systems:
    """Matrices of one pattern, with IC(0), right-hand sides and solutions."""

    def __init__(self, side: int, variance: float, numbers: range) -> None:
        self.n = side * side
        self.A, factors, sides, solutions = [], [], [], []
        for number in numbers:
            A, stream = drawn(side, variance, number)
            b = stream.near_normal(self.n)
            self.A.append(A)
            factors.append(ic0(A))
            sides.append(b)
            solutions.append(sp.linalg.spsolve(A.tocsc(), b))
        self.pattern = factors[0]
        self.core = torch.from_numpy(np.stack([L.data for L in factors]))
        self.b = torch.from_numpy(np.stack(sides))
        self.x = torch.from_numpy(np.stack(solutions))

    def batch(self, chosen: Tensor) -> GraphBatch:
        """Return some matrices as a batch; PreCorrector reads IC(0) alone."""
        rows, count = self.n, chosen.numel()
        row = np.repeat(np.arange(rows), np.diff(self.pattern.indptr))
        ends = torch.from_numpy(np.stack([self.pattern.indices, row]).astype(np.int64))
        entries = ends.shape[1]
        graph = torch.arange(count)
        index = ends.repeat(1, count) + rows * graph.repeat_interleave(entries)
        return GraphBatch(
            x=torch.zeros(count * rows, 1),
            edge_index=index,
            edge_attr=torch.zeros(count * entries, 2),
            lower=torch.arange(count * entries),
            batch=graph.repeat_interleave(rows),
            lower_batch=graph.repeat_interleave(entries),
            num_graphs=count,
            core=self.core[chosen].reshape(-1),
        )


def loss_of(values: Tensor, batch: GraphBatch, x: Tensor, b: Tensor) -> Tensor:
    """Return the mean of ||L L^T x - b||^2."""
    column, row = batch.edge_index
    product = times(row, column, values, times(column, row, values, x))
    return (product - b).square().sum() / batch.num_graphs


def trained(
    systems: Systems, seed: int, state: Path, steps: int
) -> tuple[PreCorrector, dict[str, Any]]:
    """Train, from where the file stopped; return the network, and the steps and seconds."""
    torch.manual_seed(seed)
    network = PreCorrector(ROUNDS, WIDTH)
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    kept = restored(state, network, optimiser)
    template = systems.batch(torch.arange(BATCH))
    assert template.core is not None
    while kept["steps"] < steps:
        began = time.perf_counter()
        # Steps from here are the same, whether or not training was stopped here.
        random = torch.Generator().manual_seed(seed * 10**6 + kept["steps"])
        for _ in range(min(SAVED_EVERY, steps - kept["steps"])):
            chosen = torch.randint(len(systems.A), (BATCH,), generator=random)
            template.core.copy_(systems.core[chosen].reshape(-1))
            optimiser.zero_grad()
            x, b = (part[chosen].reshape(-1) for part in (systems.x, systems.b))
            loss = loss_of(network(template), template, x, b)
            torch.autograd.backward(loss)
            optimiser.step()
            kept["steps"] += 1
        kept["seconds"] += time.perf_counter() - began
        keep(state, network, optimiser, kept)
        found = f"loss {loss.item():.4g}, alpha {network.alpha.item():.4f}"
        print(f"step {kept['steps']}: {found}, {kept['seconds']:.0f} s", flush=True)
    return network, kept


def iterations(systems: Systems, factors: list[sp.csr_array]) -> list[int]:
    """Return iterations of conjugate gradients by their rule, from one random x0."""
    x0 = UniformStream(SEED, systems.n).near_normal(systems.n)
    counts = []
    for A, b, L in zip(systems.A, systems.b.numpy(), factors, strict=True):
        # From x0 on, A x = b is A (x - x0) = b - A x0 from zero on.
        residual = b - A @ x0
        rtol = ABSOLUTE / float(np.linalg.norm(residual))
        result = pcg(A, residual, L, rtol=rtol, maxiter=MOST)
        counts.append(result.iterations if result.status == "converged" else MOST)
    return counts


def case(side: int, variance: float, seed: int, state: Path, steps: int) -> dict[str, Any]:
    """Train and test on one case; means over the test matrices."""
    network, kept = trained(Systems(side, variance, range(TRAIN)), seed, state, steps)
    systems = Systems(side, variance, range(TRAIN, TRAIN + TEST))
    pattern, core = systems.pattern, systems.core
    with torch.no_grad():
        values = network(systems.batch(torch.arange(TEST))).reshape(TEST, -1)
    found = {}
    for name, of in (("IC(0)", core), ("PreCorrector", values)):
        factors = [
            sp.csr_array((data, pattern.indices, pattern.indptr), pattern.shape)
            for data in of.numpy()
        ]
        found[name] = statistics(iterations(systems, factors))
    return {
        "case": {"side": side, "variance": variance, "contrast": list(BOUNDS[side, variance])},
        "printed": PRINTED[side, variance],
        "measured": found,
        "alpha": round(network.alpha.item(), 4),
        **facts(network, seed, kept),
    }


def main() -> None:
    """Train, test and write."""
    parser = options_parser(__doc__, STEPS)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--variance", type=float, nargs="+", default=[0.1, 0.5])
    options = parser.parse_args()
    prepare(options.out)
    rows = json.loads(options.json.read_text())["cases"] if options.json.is_file() else []
    for variance in options.variance:
        state = options.out / f"precorrector-{options.side}-{variance}-{options.seed}.pt"
        row = case(options.side, variance, options.seed, state, options.steps)
        rows = [old for old in rows if (old["case"], old["seed"]) != (row["case"], row["seed"])]
        rows.append(row)
        write(options.json, "PreCorrector", "arXiv:2405.15557v3", rows)
        print(row["printed"], row["measured"], flush=True)


if __name__ == "__main__":
    main()
