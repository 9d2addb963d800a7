import json
import os

import pytest
import torch
from safetensors.torch import save_file
from torch_geometric.data import Batch

from precondbench.baselines import build_model, load_model, save_model
from precondbench.errors import CheckpointError, ConfigurationError


@pytest.fixture
def model(tridiagonal_graphs):
    torch.manual_seed(3)
    model = build_model("MessagePassingMLP", rounds=3, width=8)
    graphs = Batch.from_data_list(tridiagonal_graphs([20, 30]))
    model.standardisation.fit(graphs.x, graphs.edge_attr)
    return model


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.safetensors"


def test_round_trip(model, path, tridiagonal_graphs):
    save_model(model, path)
    loaded = load_model(path)
    graph = tridiagonal_graphs([15], seed=9)[0]
    assert torch.equal(loaded(graph), model(graph))
    assert (loaded.name, loaded.rounds, loaded.width) == ("MessagePassingMLP", 3, 8)
    assert not loaded.training
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_equal_models_give_equal_bytes(model, path):
    save_model(model, path)
    first = path.read_bytes()
    save_model(load_model(path), path)
    assert path.read_bytes() == first


def test_loading_draws_no_random_numbers_of_the_caller(model, path):
    save_model(model, path)
    before = torch.get_rng_state()
    load_model(path)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_failed_write_keeps_the_old_file(model, path, monkeypatch):
    save_model(model, path)
    before = path.read_bytes()

    def interrupted(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_model(build_model("MLP"), path)
    assert path.read_bytes() == before
    assert len(list(path.parent.iterdir())) == 1


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
def test_the_umask_decides_who_may_read(model, path):
    before = os.umask(0o022)
    try:
        save_model(model, path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644


def test_damaged_file(model, path):
    save_model(model, path)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="not a readable safetensors"):
        load_model(path)


def test_missing_file(path):
    with pytest.raises(FileNotFoundError):
        load_model(path)


@pytest.mark.parametrize("metadata", [None, {"precondbench": "{"}, {"precondbench": "{}"}])
def test_foreign_safetensors_file(path, metadata):
    save_file({"a": torch.zeros(1)}, path, metadata)
    with pytest.raises(CheckpointError, match="not a checkpoint of precondbench"):
        load_model(path)


def write(path, **changes):
    description = {"format_version": 1, "model": "MLP", "rounds": 2, "width": 16} | changes
    save_file(build_model("MLP", 2).state_dict(), path, {"precondbench": json.dumps(description)})


def test_other_versions_models_and_sizes_are_told_apart(path):
    write(path)
    load_model(path)
    write(path, format_version=4)
    with pytest.raises(CheckpointError, match="format 4; this version reads up to 3"):
        load_model(path)
    write(path, model="Theirs")
    with pytest.raises(ConfigurationError, match="no model is called 'Theirs'"):
        load_model(path)
    write(path, rounds=3)
    with pytest.raises(CheckpointError, match="does not fit model 'MLP' of 3 rounds"):
        load_model(path)
