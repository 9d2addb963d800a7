"""Small tridiagonal graphs, made here so that these tests need no other package of ours."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch_geometric.data import Data


def _tridiagonal_graph(rng: np.random.Generator, n: int, name: str) -> Data:
    u, v = rng.uniform(0.5, 1.5, n), rng.uniform(0.5, 1.5, n)
    L = np.diag(1 / (u * v)) - np.diag(1 / (u[:-1] * v[1:]), -1)
    A = L @ L.T
    A[0, 0] += 1.0
    target = np.linalg.cholesky(A)
    index = np.arange(n)
    row, column = np.nonzero(abs(index[:, None] - index) <= 1)
    lower = row >= column
    direction = np.sign(row - column)
    return Data(
        x=torch.tensor(np.diag(A)[:, None], dtype=torch.float32),
        edge_index=torch.tensor(np.stack([column, row])),
        edge_attr=torch.tensor(np.stack([A[row, column], direction], 1), dtype=torch.float32),
        lower_mask=torch.tensor(lower),
        y=torch.tensor(target[row, column][lower]),
        name=name,
    )


@pytest.fixture(autouse=True)
def _one_thread():
    """Tensors are tiny here: threads would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def tridiagonal_graphs() -> Callable[..., list[Data]]:
    """Make graphs of the given sizes: ``tridiagonal_graphs([5, 8], seed=1)``."""

    def make(sizes: list[int], seed: int = 0) -> list[Data]:
        rng = np.random.default_rng(seed)
        return [_tridiagonal_graph(rng, n, f"graph-{k}") for k, n in enumerate(sizes)]

    return make
