from dataclasses import replace

import pytest
import torch
from torch_geometric.data import Batch

from precondbench.baselines import GraphBatch, build_model, mlp
from precondbench.baselines.message_passing.graph_network import GraphNetwork
from precondbench.baselines.message_passing.node_models import MLP, MessagePassingMLP
from precondbench.errors import ConfigurationError

LOCAL = ["GATv2", "GEN", "GraphTransformer", "MessagePassingMLP"]
GLOBAL = ["FastGraphTransformer", "GlobalGraphTransformer"]
MODELS = ["MLP", *LOCAL, *GLOBAL]


def seeded(name, rounds, seed=0):
    torch.manual_seed(seed)
    return build_model(name, rounds)


def only(graphs):
    return GraphBatch.from_data(graphs[0])


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("rounds", [1, 2, 4])
def test_every_parameter_has_a_gradient(tridiagonal_graphs, name, rounds):
    model = seeded(name, rounds)
    model(Batch.from_data_list(tridiagonal_graphs([8, 6, 9]))).square().sum().backward()
    assert [key for key, p in model.named_parameters() if p.grad is None] == []


def test_the_last_node_update_of_a_full_block_would_change_nothing(tridiagonal_graphs):
    # The processor of the paper, every block whole: edge model, then node model.
    torch.manual_seed(0)
    network = GraphNetwork(MessagePassingMLP, rounds=3, width=16)
    last = MessagePassingMLP(16)
    batch = only(tridiagonal_graphs([9]))
    source, target = batch.edge_index
    h, e = network.node_encoder(batch.x), network.edge_encoder(batch.edge_attr)
    for edge_model, node_model in zip(
        network.edge_models, [*network.node_models, last], strict=True
    ):
        hidden = edge_model.first(torch.cat([h[target], h[source], e], dim=1))
        e = edge_model.second(hidden.relu())
        h = node_model(h, batch.edge_index, e, batch.batch)
    whole = network.decoder(e)[batch.lower, 0]
    torch.testing.assert_close(network(batch), whole)
    whole.sum().backward()
    assert all(p.grad is None for p in last.parameters())


def test_all_node_models_agree_with_one_block(tridiagonal_graphs):
    graph = tridiagonal_graphs([10])[0]
    first, *others = [seeded(name, 1)(graph) for name in MODELS]
    assert all(torch.equal(first, other) for other in others)


def rows_that_see_the_first_entry(name, rounds, graphs):
    """One-based rows whose diagonal, and whose subdiagonal, prediction depends on A_11."""
    diagonal, subdiagonal = set(), set()
    for seed, graph in enumerate(graphs):  # Several, since a ReLU may be off at one point.
        network = seeded(name, rounds, seed).network.double()
        batch = only([graph])
        first = batch.x[0, 0].double().requires_grad_()  # A_11 is a node and an edge feature.
        x = torch.cat([first.view(1, 1), batch.x[1:].double()])
        zero = torch.tensor([0])
        edge_attr = batch.edge_attr.double().index_put((zero, zero), first)
        values = network(replace(batch, x=x, edge_attr=edge_attr))
        for value, column, row in zip(values, *batch.lower_ends.tolist(), strict=True):
            (gradient,) = torch.autograd.grad(value, first, retain_graph=True)
            if gradient != 0:
                (diagonal if row == column else subdiagonal).add(row + 1)
    return diagonal, subdiagonal


@pytest.mark.parametrize("name", LOCAL)
@pytest.mark.parametrize("rounds", [1, 2, 3, 5])
def test_receptive_field_of_message_passing_is_rounds_minus_one_rows(
    tridiagonal_graphs, name, rounds
):
    diagonal, subdiagonal = rows_that_see_the_first_entry(
        name, rounds, tridiagonal_graphs([10] * 4)
    )
    assert diagonal == set(range(1, rounds + 1))
    # Entry (r, r-1) reads both ends, and its column is one row nearer.
    assert subdiagonal == set(range(2, rounds + 2))


@pytest.mark.parametrize("name", GLOBAL)
def test_receptive_field_of_global_attention_is_everything(tridiagonal_graphs, name):
    diagonal, subdiagonal = rows_that_see_the_first_entry(name, 2, tridiagonal_graphs([10] * 2))
    assert diagonal == set(range(1, 11))
    assert subdiagonal == set(range(2, 11))


@pytest.mark.parametrize("rounds", [1, 4])
def test_receptive_field_of_the_mlp_is_the_two_ends(tridiagonal_graphs, rounds):
    seen = rows_that_see_the_first_entry("MLP", rounds, tridiagonal_graphs([10] * 4))
    assert seen == ({1}, {2})


@pytest.mark.parametrize("name", MODELS)
def test_graphs_of_a_batch_do_not_see_each_other(tridiagonal_graphs, name):
    graphs = tridiagonal_graphs([5, 9, 7])
    model = seeded(name, 3)
    together = model(Batch.from_data_list(graphs))
    torch.testing.assert_close(together, torch.cat([model(graph) for graph in graphs]))


@pytest.mark.parametrize("name", MODELS)
def test_numbering_of_nodes_and_order_of_edges_are_immaterial(tridiagonal_graphs, name):
    batch = only(tridiagonal_graphs([8]))
    network = seeded(name, 3).network
    nodes, edges = torch.randperm(8), torch.randperm(batch.edge_index.shape[1])
    moved = replace(
        batch,
        x=batch.x[nodes.argsort()],
        edge_index=nodes[batch.edge_index][:, edges],
        edge_attr=batch.edge_attr[edges],
        lower=edges.argsort()[batch.lower],
    )
    torch.testing.assert_close(network(moved), network(batch))


def test_message_passing_takes_the_mean_over_incoming_edges():
    torch.manual_seed(0)
    node_model = MessagePassingMLP(4)
    h, e = torch.randn(3, 4), torch.randn(4, 4)
    edge_index = torch.tensor([[0, 1, 2, 1], [0, 0, 1, 2]])
    messages = node_model.message(torch.cat([h[edge_index[0]], e], 1))
    received = torch.stack([(messages[0] + messages[1]) / 2, messages[2], messages[3]])
    expected = node_model.update(torch.cat([h, received], 1))
    torch.testing.assert_close(node_model(h, edge_index, e, torch.zeros(3)), expected)


def test_sizes_are_checked():
    with pytest.raises(ConfigurationError, match="rounds is 0"):
        GraphNetwork(MLP, rounds=0, width=16)


def test_two_layer_perceptron_has_one_hidden_layer():
    assert sum(p.numel() for p in mlp(3, 5, 2).parameters()) == 3 * 5 + 5 + 5 * 2 + 2
