import pytest
import torch
from torch_geometric.data import Batch

from precondbench import Pair
from precondbench.baselines import GraphBatch
from precondbench.baselines.batch import ResidentGraphs
from precondbench.errors import ConfigurationError


class WithPairs(list):
    """Graphs whose matrices can be asked for, as those of a precondbench dataset."""

    def pair(self, i):
        graph = self[i]
        A = torch.zeros(len(graph.x), len(graph.x), dtype=torch.float64)
        A[graph.edge_index[1], graph.edge_index[0]] = graph.edge_attr[:, 0].double()
        return Pair(graph.name, A, None)


FIELDS = ("x", "edge_index", "edge_attr", "lower", "batch", "lower_batch", "y")


@pytest.mark.parametrize("order", [[0], [3, 0, 2], [1, 1], [0, 1, 2, 3]])
def test_gathered_batch_is_the_batch_pyg_collates(tridiagonal_graphs, order):
    graphs = tridiagonal_graphs([4, 7, 1, 5])
    gathered = ResidentGraphs(graphs).batch(torch.tensor(order))
    collated = GraphBatch.from_data(Batch.from_data_list([graphs[k] for k in order]))
    assert gathered.num_graphs == collated.num_graphs == len(order)
    for field in FIELDS:
        assert torch.equal(getattr(gathered, field), getattr(collated, field)), field


@pytest.mark.parametrize("order", [[0], [3, 0, 2], [1, 1]])
def test_graphs_of_one_pattern_share_their_indices(tridiagonal_graphs, order):
    graphs = tridiagonal_graphs([5, 5, 5, 5])
    resident = ResidentGraphs(graphs)
    assert resident.one_pattern
    assert not ResidentGraphs(tridiagonal_graphs([5, 5, 6])).one_pattern
    gathered, again = (resident.batch(torch.tensor(o)) for o in (order, order[::-1]))
    collated = GraphBatch.from_data(Batch.from_data_list([graphs[k] for k in order]))
    for field in FIELDS:
        assert torch.equal(getattr(gathered, field), getattr(collated, field)), field
    assert gathered.edge_index is again.edge_index


@pytest.mark.parametrize("sizes", [[5, 5, 5, 5], [5, 3, 5, 4]])
def test_entries_of_the_inverse_go_with_their_graphs(tridiagonal_graphs, sizes):
    graphs = WithPairs(tridiagonal_graphs(sizes))
    resident = ResidentGraphs(graphs)
    resident.invert(graphs)
    batch = resident.batch(torch.tensor([3, 0]))
    for graph, number in enumerate([3, 0]):
        A = graphs.pair(number).A
        mine = batch.lower_batch[batch.inverse.first] == graph
        ends = batch.edge_index[:, batch.lower] - (sizes[3] if graph else 0)
        first, second = ends[1, batch.inverse.first[mine]], ends[1, batch.inverse.second[mine]]
        weight = torch.where(first == second, 1.0, 2.0) * torch.linalg.inv(A)[first, second]
        torch.testing.assert_close(batch.inverse.weight[mine], weight)
        assert batch.inverse.log_determinant[graph] == pytest.approx(float(torch.logdet(A)))


def test_pieces_are_bounded_by_edges(tridiagonal_graphs):
    resident = ResidentGraphs(tridiagonal_graphs([3, 4, 50, 5, 6, 7]))  # 3 n - 2 edges each
    numbers = torch.tensor([5, 2, 0, 1, 3])
    assert [p.tolist() for p in resident.pieces(numbers, 19)] == [[5], [2], [0, 1], [3]]
    assert [p.tolist() for p in resident.pieces(numbers)] == [[5, 2, 0, 1, 3]]
    assert resident.pieces(numbers[:0]) == []
    batches = list(resident.batches(4, max_edges=30))
    assert [b.num_graphs for b in batches] == [2, 1, 1, 1, 1]


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
