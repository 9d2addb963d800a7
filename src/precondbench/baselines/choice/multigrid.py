"""Smoothed aggregation with parameters that a network chooses for each matrix."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench.baselines.choice.chooser import Chooser
from precondbench.baselines.choice.fitting import CostTable, Fitted, fit_chooser, load_weights
from precondbench.errors import BreakdownError, MatrixError
from precondbench.quality import MAXITER, Context, SymmetricProblem
from precondbench.solvers import Preconditioner, VCycle, smoothed_aggregation

Values = NDArray[np.float64]
THRESHOLDS = {"symmetric": (0.0, 0.02, 0.08, 0.16, 0.25), "classical": (0.1, 0.25, 0.4, 0.6)}
WEIGHTS = (4.0 / 3.0, 1.7)
# A setup takes as long as about so many steps of PCG with the V-cycle.
SETUP = 24.0
# Entries of a step, in those of A, that a candidate without a V-cycle counts.
FAILURE = 10.0
# Entries of the node graph are compared with these, in both ways.
SHARES = (0.01, 0.03, 0.1, 0.2, 0.3, 0.5)
# Nodes that are looked at.
SAMPLE = 4096
LEAST = 1e-12
ROUNDS, WIDTH = 1, 32
TRAINED = Path(__file__).parent / "multigrid.safetensors"


@dataclass(frozen=True)
class Aggregation:
    """Parameters of smoothed aggregation, see :func:`precondbench.solvers.smoothed_aggregation`."""

    strength: str = "symmetric"
    threshold: float = 0.0
    weight: float = 4.0 / 3.0

    def of(self, A: csr_array, context: Context) -> VCycle:
        """Return the V-cycle of a matrix."""
        return smoothed_aggregation(
            A,
            context.geometry.get("near_null"),
            int(context.facts.get("unknowns", 1)),
            strength=self.strength,
            threshold=self.threshold,
            weight=self.weight,
        )


# The first is what PyAMG does if nothing is said.
CANDIDATES = tuple(
    Aggregation(strength, threshold, weight)
    for strength, thresholds in THRESHOLDS.items()
    for threshold in thresholds
    for weight in WEIGHTS
)


def features(A: csr_array, context: Context) -> Values:
    """Describe a matrix by some of its nodes, evenly spaced, float64 (NAMES,).

    The first is log n. Then: unknowns per node, vectors of the near null space, links to other
    nodes, how many entries are positive, shares of links that are strong in two ways, shares of
    nodes without such a link, mean and extremes of what a node is tied to others by, how diagonals
    differ, and the energy of the near null space on a diagonal of ones.

    Raises
    ------
    MatrixError
        If a diagonal entry is not positive.
    """
    diagonal = A.diagonal()
    if not np.all(diagonal > 0.0):
        raise MatrixError(
            f"diagonal entry {int(np.argmin(diagonal > 0.0))} of A is not positive; A must be "
            "symmetric positive definite"
        )
    n, unknowns = A.shape[0], int(context.facts.get("unknowns", 1))
    nodes = np.unique(np.linspace(0, n // unknowns - 1, min(n // unknowns, SAMPLE)).astype(np.intp))
    rows = (nodes[:, None] * unknowns + np.arange(unknowns)).ravel()
    part = A[rows]
    row = np.repeat(rows, np.diff(part.indptr))
    off = row != part.indices
    scaled = part.data[off] / np.sqrt(diagonal[row[off]] * diagonal[part.indices[off]])
    # Norms of blocks, a row a node; sizes of entries for one unknown.
    size = np.sqrt(np.sum(diagonal.reshape(-1, unknowns) ** 2, axis=1))
    place = np.repeat(np.arange(nodes.size), np.diff(part.indptr[::unknowns]))
    shape = (nodes.size, n // unknowns)
    graph = csr_array((part.data**2, (place, part.indices // unknowns)), shape=shape)
    graph.sum_duplicates()
    place = np.repeat(np.arange(nodes.size), np.diff(graph.indptr))
    link = nodes[place] != graph.indices
    i, j, value = place[link], graph.indices[link], np.sqrt(graph.data[link])
    largest = np.full(nodes.size, LEAST)
    np.maximum.at(largest, i, value)
    symmetric = value / np.sqrt(size[nodes[i]] * size[j])
    classical = value / largest[i]
    tied = np.bincount(i, value, nodes.size) / size[nodes]
    count = np.maximum(np.bincount(i, minlength=nodes.size), 1)
    given = context.geometry.get("near_null")
    vectors = np.ones((n, 1)) if given is None else np.asarray(given, dtype=np.float64)
    energy = np.sum(vectors[rows] * (part @ vectors), axis=0)
    energy /= np.maximum(np.sum(diagonal[rows, None] * vectors[rows] ** 2, axis=0), LEAST)
    found = [
        np.log(n),
        float(unknowns),
        float(vectors.shape[1]),
        np.log(count.mean()),
        np.log1p(count.std() / count.mean()),
        np.maximum(scaled, 0.0).sum() / max(np.abs(scaled).sum(), LEAST),
        *(_share(symmetric >= share) for share in SHARES),
        *(_share(classical >= share) for share in SHARES),
        # A node that only weak links hold is an aggregate of its own.
        *(1.0 - np.unique(i[symmetric >= share]).size / nodes.size for share in SHARES),
        np.log(max(tied.mean(), LEAST)),
        np.log(max(tied.min(), LEAST)),
        np.log(max(tied.max(), LEAST)),
        np.log(size).std(),
        np.log(max(energy.max(), LEAST)),
    ]
    return np.array(found)


NAMES = (
    "rows", "unknowns", "vectors", "links", "uneven links", "positive",
    *(f"{way} {share:g}" for way in ("symmetric", "classical", "alone") for share in SHARES),
    "mean tie", "least tie", "largest tie", "uneven diagonal", "energy",
)  # fmt: skip


def _share(chosen: NDArray[np.bool_]) -> float:
    return float(chosen.mean()) if chosen.size else 0.0


def costs(A: csr_array, context: Context) -> Values:
    """Return the logarithm of the work of every candidate, from a solve with each.

    Work is (iterations + 24) steps of so many entries of A and of the V-cycle.
    """
    problem = SymmetricProblem(A)
    found = []
    for candidate in CANDIDATES:
        try:
            cycle = candidate.of(A, context)
        except (BreakdownError, MatrixError):
            found.append(np.log(FAILURE * MAXITER))
            continue
        outcome = problem.solve(cycle)
        steps = outcome.iterations if outcome.solved else MAXITER
        found.append(np.log((SETUP + steps) * (1.0 + cycle.entries / A.nnz)))
    return np.array(found)


def cost_table(systems: Iterable[tuple[csr_array, Context]]) -> CostTable:
    """Solve every system with every candidate."""
    rows = [(features(*system), costs(*system)) for system in systems]
    described, work = zip(*rows, strict=True)
    return CostTable(torch.from_numpy(np.stack(described)), torch.from_numpy(np.stack(work)))


class LearnedMultigrid:
    """Smoothed aggregation; a network chooses what is strong and how prolongations are smoothed.

    For 18 combinations of a measure of strength, its threshold and the weight of the smoothing it
    predicts from features of A how much work they make, and takes the least. The features are those
    of at most 4,096 nodes, so that they cost next to nothing. A method for boards that take any
    operator, see :class:`precondbench.quality.Method`.

    Parameters
    ----------
    seed : int, optional
        Of the training whose weights it has, 0 to 2; without one it is untrained and takes PyAMG's
        defaults.

    Attributes
    ----------
    taken : Aggregation or None
        What it took last.

    Raises
    ------
    ConfigurationError
        If there are no weights of that seed.

    Examples
    --------
    >>> from precondbench import pcg
    >>> from precondbench.baselines import LearnedMultigrid
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> A = tridiagonal_csr(poisson_1d(1000))
    >>> pcg(A, [1.0] * 1000, M=LearnedMultigrid(seed=None).setup(A)).iterations
    11
    """

    kind = "learned"

    def __init__(self, seed: int | None = 0) -> None:
        self.chooser = _untrained()
        self.taken: Aggregation | None = None
        if seed is not None:
            load_weights(self.chooser, TRAINED, str(seed))

    def setup(self, A: csr_array, context: Context | None = None) -> Preconditioner:
        """Return the V-cycle that is predicted to need least work, of those that exist.

        Parameters
        ----------
        A : scipy.sparse.csr_array
            Real SPD matrix, shape (n, n).
        context : Context, optional
            Its near null space and its unknowns per node are used.

        Raises
        ------
        BreakdownError, MatrixError
            If no candidate has a V-cycle.
        """
        context = context or Context()
        found = torch.from_numpy(features(A, context))[None]
        with torch.no_grad():
            order = self.chooser(found)[0].argsort(stable=True).tolist()
        for number in order[:-1]:
            self.taken = CANDIDATES[number]
            with suppress(BreakdownError, MatrixError):
                return self.taken.of(A, context)
        self.taken = CANDIDATES[order[-1]]
        return self.taken.of(A, context)

    def fit(self, train: CostTable, validation: CostTable, seed: int = 0) -> Fitted:
        """Train until the work on validation matrices has not become less for some time.

        Parameters
        ----------
        train, validation : CostTable
            Different matrices.
        seed : int
            Of the first weights.
        """
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.chooser = _untrained()
        return fit_chooser(self.chooser, train, validation)


def _untrained() -> Chooser:
    return Chooser(len(NAMES), len(CANDIDATES), ROUNDS, WIDTH)
