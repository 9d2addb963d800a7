"""Losses by name: one number for each graph, averaged over graphs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from precondbench.baselines.batch import GraphBatch
from precondbench.baselines.unrolled import residuals
from precondbench.errors import ConfigurationError

if TYPE_CHECKING:
    from precondbench.baselines.base import FactorModel

# Random vectors that a Frobenius norm is estimated with; a deviation of 1 / sqrt(SKETCHES / 2).
SKETCHES = 16
# Steps of the solver, and the tolerance of the protocol.
UNROLLED, ENOUGH = 20, 1e-8

PerGraph = Callable[[Tensor, GraphBatch], Tensor]


@dataclass(frozen=True)
class Loss:
    """A named loss; ``per_graph(predicted, batch)`` returns a float64 value for each graph."""

    name: str
    per_graph: PerGraph
    needs_inverse: bool = False
    needs_solution: bool = False

    def of(self, model: FactorModel, batch: GraphBatch, predicted: Tensor | None = None) -> Tensor:
        """Return the loss of a model for each graph; ``predicted`` are its values, if known."""
        return self.per_graph(model(batch) if predicted is None else predicted, batch)


class _Asked(Loss):
    """Iterations, which a network that chooses among factors knows itself."""

    def of(self, model: FactorModel, batch: GraphBatch, predicted: Tensor | None = None) -> Tensor:
        """Return the logarithm of iterations that the network expects, or takes."""
        return model.log_iterations(batch)


def _refuse(predicted: Tensor, graphs: GraphBatch) -> Tensor:
    raise ConfigurationError("the loss log-iterations is asked of a network, not of values")


_LOSSES: dict[str, Loss] = {"log-iterations": _Asked("log-iterations", _refuse)}


def register_loss(
    name: str, *, needs_inverse: bool = False, needs_solution: bool = False
) -> Callable[[PerGraph], PerGraph]:
    """Decorator: make a function ``(predicted, batch) -> one value for each graph`` a loss by name.

    Parameters
    ----------
    name : str
        Name for ``TrainingConfiguration.loss``.
    needs_inverse : bool
        Whether the function reads ``graphs.inverse``, entries of A^-1.
    needs_solution : bool
        Whether the function reads ``graphs.solved``, a solution and its right-hand side.

    Returns
    -------
    callable
        The decorator, which returns the function unchanged.
    """

    def register(function: PerGraph) -> PerGraph:
        _LOSSES[name] = Loss(name, function, needs_inverse, needs_solution)
        return function

    return register


def get_loss(name: str) -> Loss:
    """Return the loss of that name."""
    if name not in _LOSSES:
        raise ConfigurationError(f"no loss is called {name!r}; known: {', '.join(loss_names())}")
    return _LOSSES[name]


def loss_names() -> list[str]:
    """Return the names of all registered losses, sorted.

    Returns
    -------
    list of str
        What ``TrainingConfiguration.loss`` may be.
    """
    return sorted(_LOSSES)


def _labels(predicted: Tensor, graph: GraphBatch) -> Tensor:
    if graph.y is None or graph.y.shape != predicted.shape:
        labels = "no labels y" if graph.y is None else f"labels of shape {tuple(graph.y.shape)}"
        raise ConfigurationError(f"{labels} for predictions of shape {tuple(predicted.shape)}")
    return graph.y.double()


def _sums(values: Tensor, graph: GraphBatch) -> Tensor:
    """Sum the rows of ``values``, one for each lower edge, over each graph."""
    start = values.new_zeros(graph.num_graphs, *values.shape[1:])
    return start.index_add(0, graph.lower_batch, values)


def _number_in_graph(graphs: GraphBatch) -> Tensor:
    size = torch.bincount(graphs.batch, minlength=graphs.num_graphs)
    first = (size.cumsum(0) - size)[graphs.batch]
    return torch.arange(graphs.batch.numel(), device=graphs.batch.device) - first


def _positive(values: Tensor) -> Tensor:
    """Values, at least the smallest number: a root or a logarithm has no derivative at zero."""
    return values.clamp_min(torch.finfo(torch.float64).tiny)


def cosine_per_graph(predicted: Tensor, graphs: Any) -> Tensor:
    """Cosine of predicted and true values, graph by graph, float64; 0 where a vector is zero."""
    graph = GraphBatch.from_data(graphs)
    p, t = predicted.double(), _labels(predicted, graph)
    sums = _sums(torch.stack([p * t, p * p, t * t], dim=1), graph)
    norms = _positive(sums[:, 1:]).sqrt()
    return sums[:, 0] / norms[:, 0] / norms[:, 1]


def negative_cosine(predicted: Tensor, graphs: Any) -> Tensor:
    """Return minus the mean over graphs of the cosine with the labels: the loss of the paper.

    Parameters
    ----------
    predicted : torch.Tensor
        Values on the lower triangles of all graphs, end to end, as a model returns them.
    graphs : GraphBatch, torch_geometric.data.Data or torch_geometric.data.Batch
        The graphs, with labels ``y``.

    Returns
    -------
    torch.Tensor
        float64, a number between -1 and 1.

    Raises
    ------
    ConfigurationError
        If the graphs have no labels, or not one for each predicted value.
    """
    return -cosine_per_graph(predicted, graphs).mean()


@register_loss("negative-cosine")
def _negative_cosine(predicted: Tensor, graphs: GraphBatch) -> Tensor:
    """-cos(predicted, L)."""
    return -cosine_per_graph(predicted, graphs)


@register_loss("log-relative-error")
def log_relative_error(predicted: Tensor, graphs: GraphBatch) -> Tensor:
    r"""log(||p - l|| / ||l||) for predicted values p and true values l, natural logarithm.

    Unlike the cosine it does not flatten near the solution: halving the error is worth as much
    at 1e-4 as at 1e-1.
    """
    p, t = predicted.double(), _labels(predicted, graphs)
    sums = _positive(_sums(torch.stack([(p - t).square(), t.square()], dim=1), graphs))
    return 0.5 * (sums[:, 0].log() - sums[:, 1].log())


@register_loss("k-condition", needs_inverse=True)
def log_k_condition(predicted: Tensor, graphs: GraphBatch) -> Tensor:
    """Log K(L^T A^-1 L), the measure that Inv-K minimises (eq. 3 of the paper; Kaporin 1994).

    log K = log(trace(L^T A^-1 L) / n) - (2 / n) sum_i log|L_ii| + (1 / n) log det A; it needs no
    label. The trace is exact: A^-1 is needed only between rows that share a column of L.
    """
    inverse = graphs.inverse
    if inverse is None:
        raise ConfigurationError("the loss k-condition needs graphs with entries of A^-1")
    values = predicted.double()
    terms = inverse.weight * values[inverse.first] * values[inverse.second]
    # A pair belongs to the graph of its entries.
    start = values.new_zeros(graphs.num_graphs)
    trace = start.index_add(0, graphs.lower_batch[inverse.first], terms)
    column, row = graphs.edge_index[:, graphs.lower]
    diagonal = torch.where(row == column, _positive(values.abs()), 1.0)
    size = start.index_add(0, graphs.batch, torch.ones_like(graphs.batch, dtype=torch.float64))
    logs = inverse.log_determinant - 2.0 * _sums(diagonal.log(), graphs)
    return (_positive(trace) / size).log() + logs / size


@register_loss("relative-k-condition", needs_inverse=True)
def log_n_log_k(predicted: Tensor, graphs: GraphBatch) -> Tensor:
    r"""log(1 + n log K(L^T A^-1 L)): halving n log K is worth as much on every matrix.

    Iterations grow with n log K. A mean of log K over real matrices is dominated by the few for
    which it is largest; below n log K = 1, where a few iterations are enough, this flattens.
    """
    size = torch.bincount(graphs.batch, minlength=graphs.num_graphs)
    # Rounding can make the measure of an exact factor slightly negative.
    return (size * log_k_condition(predicted, graphs)).clamp_min(0).log1p()


@register_loss("frobenius-residual")
def frobenius_residual(predicted: Tensor, graphs: GraphBatch) -> Tensor:
    r"""||L L^T - A||_F / ||A||_F, the norm above estimated by random vectors; it needs no label.

    E ||B z||^2 = ||B||_F^2 for z of random signs. The same 16 vectors are used every time, so that
    epochs can be compared. This is the loss of Häusner, Öktem and Sjölund (2023) up to the root and
    the scale, and of Li et al. (2023) where their solutions are random.
    """
    within = _number_in_graph(graphs)
    random = torch.Generator().manual_seed(0)
    longest = int(within.max()) + 1
    signs = 2.0 * torch.randint(2, (longest, SKETCHES), generator=random).double() - 1.0
    z = signs.to(predicted.device)[within]
    a = graphs.edge_attr[:, 0].double()
    source, target = graphs.edge_index
    rest = _product(predicted, graphs, z) - _times(target, source, a, z)
    start = z.new_zeros(graphs.num_graphs)
    norm = start.index_add(0, graphs.batch, rest.square().mean(1))
    whole = start.index_add(0, graphs.batch[target], a.square())
    return (_positive(norm) / _positive(whole)).sqrt()


def _times(ends: Tensor, others: Tensor, entries: Tensor, vectors: Tensor) -> Tensor:
    """Multiply a matrix of those entries by the columns of ``vectors``, [nodes, columns]."""
    return torch.zeros_like(vectors).index_add(0, ends, entries[:, None] * vectors[others])


def _product(predicted: Tensor, graphs: GraphBatch, vectors: Tensor) -> Tensor:
    """L L^T times the columns of ``vectors``."""
    values = predicted.double()
    column, row = graphs.lower_ends
    return _times(row, column, values, _times(column, row, values, vectors))


@register_loss("solution-residual", needs_solution=True)
def solution_residual(predicted: Tensor, graphs: GraphBatch) -> Tensor:
    r"""||L L^T x - b|| / ||b||, with A x = b and b near normal; it needs no label.

    The mean of its square over b is ||L L^T A^-1 - I||_F^2 / n, which weighs what A makes small.
    The loss of Trifonov et al. (2024) and, where their right-hand sides are random, of Li et al.
    (2023), up to the root and the scale. Each matrix has one b, the same every time.
    """
    if graphs.solved is None:
        raise ConfigurationError("the loss solution-residual needs graphs with solutions")
    x, b = graphs.solved[:, :1], graphs.solved[:, 1:]
    rest = (_product(predicted, graphs, x) - b).square().sum(1)
    start = rest.new_zeros(graphs.num_graphs)
    norm, whole = (start.index_add(0, graphs.batch, one) for one in (rest, b.square().sum(1)))
    return (_positive(norm) / whole).sqrt()


@register_loss("pcg-residual")
def pcg_residual(predicted: Tensor, graphs: GraphBatch) -> Tensor:
    r"""Half of log(r^T M r), less that before the first step, averaged over 20 steps of PCG.

    M = (L L^T)^-1. What is less than 1e-8 of the first counts as that, as the solve ends there. The
    right-hand side is random, the same every time. It needs no label, and does not depend on the
    size of L.
    """
    device = predicted.device
    within = _number_in_graph(graphs).cpu()
    random = torch.Generator().manual_seed(0)
    longest = int(within.max()) + 1
    b = 2.0 * torch.rand(longest, generator=random, dtype=torch.float64) - 1.0
    found = residuals(predicted.double().cpu(), graphs, b[within], UNROLLED)
    squares = torch.stack(found[1:]) / _positive(found[0])
    return (0.5 * squares.clamp_min(ENOUGH**2).log().mean(0)).to(device)
