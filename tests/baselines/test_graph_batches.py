import pytest
import torch
from torch_geometric.data import Batch

from precondbench.baselines.graphs import GraphBatch, ResidentGraphs
from precondbench.errors import ConfigurationError

FIELDS = ("x", "edge_index", "edge_attr", "lower", "batch", "lower_batch", "y")


@pytest.mark.parametrize("order", [[0], [3, 0, 2], [1, 1], [0, 1, 2, 3]])
def test_gathered_batch_is_the_batch_pyg_collates(tridiagonal_graphs, order):
    graphs = tridiagonal_graphs([4, 7, 1, 5])
    gathered = ResidentGraphs(graphs).batch(torch.tensor(order))
    collated = GraphBatch.from_data(Batch.from_data_list([graphs[k] for k in order]))
    assert gathered.num_graphs == collated.num_graphs == len(order)
    for field in FIELDS:
        assert torch.equal(getattr(gathered, field), getattr(collated, field)), field


def test_batches_cover_the_dataset_in_order(tridiagonal_graphs):
    graphs = tridiagonal_graphs([3, 4, 5, 6, 7])
    batches = list(ResidentGraphs(graphs).batches(2))
    assert [batch.num_graphs for batch in batches] == [2, 2, 1]
    assert torch.equal(torch.cat([b.y for b in batches]), torch.cat([g.y for g in graphs]))


def test_a_single_data_object_is_one_graph(tridiagonal_graphs):
    graph = GraphBatch.from_data(tridiagonal_graphs([6])[0])
    assert graph.num_graphs == 1
    assert graph.batch.tolist() == [0] * 6
    assert GraphBatch.from_data(graph) is graph


def test_unlabelled_graphs_have_no_y(tridiagonal_graphs):
    graphs = tridiagonal_graphs([3, 4])
    del graphs[1].y
    assert ResidentGraphs(graphs).batch(torch.tensor([0, 1])).y is None


def test_no_graphs():
    with pytest.raises(ConfigurationError, match="empty"):
        ResidentGraphs([])
