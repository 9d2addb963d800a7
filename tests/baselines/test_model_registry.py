import pytest
import torch
from torch import nn

from precondbench.baselines import Network, NodeModel, build_model, model_names, register_model
from precondbench.baselines import registry as registry_module
from precondbench.errors import ConfigurationError


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    monkeypatch.setattr(registry_module, "_REGISTERED", {})


class SumOfMessages(NodeModel):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, h, edge_index, e, batch):
        assert h.shape[0] == batch.shape[0]
        return h.index_add(0, edge_index[1], self.linear(e))


def test_built_in_models():
    assert {"MLP", "MessagePassingMLP"} <= set(model_names())
    model = build_model("MLP", rounds=2, width=8)
    assert (model.name, model.rounds, model.width) == ("MLP", 2, 8)


@pytest.mark.parametrize(("name", "parameters"), [("MLP", 6769), ("MessagePassingMLP", 9937)])
def test_parameter_counts_of_the_protocol(name, parameters):
    assert build_model(name, rounds=4, width=16).parameter_count() == parameters


def test_a_new_node_model_is_one_class_and_one_line(tridiagonal_graphs):
    register_model("SumOfMessages")(SumOfMessages)
    graph = tridiagonal_graphs([6])[0]
    assert build_model("SumOfMessages", rounds=3)(graph).shape == graph.y.shape


def test_a_network_of_another_kind(tridiagonal_graphs):
    @register_model("Zero hop")
    class ZeroHop(Network):
        def forward(self, batch):
            return batch.lower_entries

    graph = tridiagonal_graphs([6])[0]
    assert torch.equal(build_model("Zero hop")(graph), graph.edge_attr[graph.lower_mask, 0])


def test_unknown_names_are_answered_with_known_ones():
    with pytest.raises(ConfigurationError, match=r"MLP.*; did you mean 'MessagePassingMLP'"):
        build_model("MessagePasingMLP")


def test_a_name_is_taken_once_but_a_class_may_be_defined_again():
    register_model("SumOfMessages")(SumOfMessages)
    register_model("SumOfMessages")(SumOfMessages)
    with pytest.raises(ConfigurationError, match="choose another"):
        register_model("MLP")(SumOfMessages)


def test_every_model_is_a_network():
    for name in model_names():
        assert isinstance(build_model(name, rounds=1, width=4).network, Network)


def test_a_module_without_the_contract_is_refused():
    with pytest.raises(
        ConfigurationError, match=r"'Plain': derive it from .*Network, or from Node"
    ):
        register_model("Plain")(nn.Linear)
