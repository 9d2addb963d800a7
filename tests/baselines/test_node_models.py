"""Node models, compared with their formulas."""

import pytest
import torch
from torch_geometric.nn import TransformerConv

from precondbench.baselines import GraphBatch
from precondbench.baselines.message_passing import node_models
from precondbench.baselines.message_passing.node_models import (
    GEN,
    FastGraphTransformer,
    GATv2,
    GlobalGraphTransformer,
    GraphTransformer,
)

WIDTH = 4


@pytest.fixture
def graphs(tridiagonal_graphs):
    """Three graphs of different size in one batch, with random representations."""
    from torch_geometric.data import Batch

    batch = GraphBatch.from_data(Batch.from_data_list(tridiagonal_graphs([3, 6, 4])))
    torch.manual_seed(0)
    h = torch.randn(batch.x.shape[0], WIDTH, dtype=torch.float64)
    e = torch.randn(batch.edge_attr.shape[0], WIDTH, dtype=torch.float64)
    return h, batch.edge_index, e, batch.batch


def made(node_model):
    torch.manual_seed(1)
    return node_model(WIDTH).double()


@pytest.mark.parametrize(
    ("node_model", "reads_edges"),
    [
        (GATv2, False),
        (GEN, False),
        (GraphTransformer, True),
        (FastGraphTransformer, False),
        (GlobalGraphTransformer, True),
    ],
)
def test_which_node_models_read_edges(graphs, node_model, reads_edges):
    h, edge_index, e, batch = graphs
    model = made(node_model)
    same = torch.allclose(model(h, edge_index, e, batch), model(h, edge_index, -2 * e, batch))
    assert same != reads_edges


@pytest.mark.parametrize("node_model", [GATv2, GEN, GraphTransformer])
def test_a_node_is_its_own_neighbour_exactly_once(node_model):
    # One node with a self-loop: what arrives is a function of itself, not doubled, not missing.
    model = made(node_model)
    h, e = torch.randn(1, WIDTH).double(), torch.randn(1, WIDTH).double()
    loop, batch = torch.zeros(2, 1, dtype=torch.int64), torch.zeros(1, dtype=torch.int64)
    layer = model.layer
    expected = {
        GATv2: lambda: layer.lin_l(h) + layer.bias,
        GEN: lambda: layer.mlp(h + h.relu() + layer.eps),
        GraphTransformer: lambda: layer.lin_value(h) + layer.lin_edge(e) + layer.lin_skip(h),
    }[node_model]()
    torch.testing.assert_close(model(h, loop, e, batch), expected)


def test_linear_attention_of_sgformer_graph_by_graph(graphs):
    h, edge_index, e, batch = graphs
    model = made(FastGraphTransformer)
    pieces = []
    for graph in range(3):
        rows = h[batch == graph]
        q, k, v = model.query(rows), model.key(rows), model.value(rows)
        q, k, n = q / q.norm(), k / k.norm(), len(rows)
        weights = 1 + q @ k.T  # attention of the paper before its denominator: (1 + q k / N) N
        numerator = n * v + (q @ k.T) @ v
        pieces.append(numerator / (n + (weights - 1).sum(1, keepdim=True)))
    torch.testing.assert_close(model(h, edge_index, e, batch), torch.cat(pieces))


def by_loops(model, h, edge_index, e, batch):
    edges = {(i, j): k for k, (j, i) in enumerate(edge_index.T.tolist())}
    rows = []
    for i in range(len(h)):
        scores, values = [], []
        for j in torch.nonzero(batch == batch[i]).flatten().tolist():
            edge = model.edge(e[edges[i, j]]) if (i, j) in edges else torch.zeros(WIDTH).double()
            scores.append(model.query(h[i]) @ (model.key(h[j]) + edge) / WIDTH**0.5)
            values.append(model.value(h[j]) + edge)
        weights = torch.stack(scores).softmax(0)
        rows.append(model.root(h[i]) + weights @ torch.stack(values))
    return torch.stack(rows)


# 36: the largest graph alone; 20: it is cut into rows; 1: every row alone; 108: all together.
@pytest.mark.parametrize("largest_block", [2**24, 108, 36, 20, 1])
def test_node_models_with_edges(graphs, monkeypatch, largest_block):
    monkeypatch.setattr(node_models, "LARGEST_BLOCK", largest_block)
    model = made(GlobalGraphTransformer)
    torch.testing.assert_close(model(*graphs), by_loops(model, *graphs))


@pytest.mark.parametrize("largest_block", [2**24, 40, 3])
def test_blocks_cover_all_rows_once_and_stay_small(monkeypatch, largest_block):
    monkeypatch.setattr(node_models, "LARGEST_BLOCK", largest_block)
    sizes = [3, 3, 1, 9, 2, 2]
    blocks = list(node_models._blocks(sizes))
    assert [b.rows[0] for b in blocks] == [0, *(b.rows[1] for b in blocks[:-1])]
    assert blocks[-1].rows[1] == sum(sizes)
    for block in blocks:
        weights = len(block.row_sizes) * max(block.row_sizes) * max(block.key_sizes)
        # Less than one row of one graph there is not.
        assert weights <= max(largest_block, max(block.key_sizes))


def test_on_a_complete_graph_node_models_is_the_graph_transformer():
    model, layer = made(GlobalGraphTransformer), TransformerConv(WIDTH, WIDTH, edge_dim=WIDTH)
    layer.double()
    for ours, theirs in (
        (model.query, layer.lin_query),
        (model.key, layer.lin_key),
        (model.value, layer.lin_value),
        (model.edge, layer.lin_edge),
        (model.root, layer.lin_skip),
    ):
        theirs.load_state_dict(ours.state_dict())
    target, source = torch.meshgrid(torch.arange(5), torch.arange(5), indexing="ij")
    edge_index = torch.stack([source.flatten(), target.flatten()])
    h, e = torch.randn(5, WIDTH).double(), torch.randn(25, WIDTH).double()
    batch = torch.zeros(5, dtype=torch.int64)
    torch.testing.assert_close(model(h, edge_index, e, batch), layer(h, edge_index, e))
