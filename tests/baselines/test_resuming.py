"""Resumed runs have the result of uninterrupted runs."""

import json

import pytest
import torch

from precondbench.baselines import (
    NodeModel,
    TrainingConfiguration,
    load_model,
    register_model,
    train,
)
from precondbench.baselines import registry as registry_module
from precondbench.baselines.losses import cosine_per_graph
from precondbench.baselines.training import fit as fitting_module
from precondbench.errors import CheckpointError


@pytest.fixture(autouse=True)
def states_after_every_epoch(monkeypatch):
    monkeypatch.setattr(fitting_module, "SECONDS_BETWEEN_STATES", 0.0)


@pytest.fixture
def splits(tridiagonal_graphs):
    return tridiagonal_graphs([10] * 40, seed=1), tridiagonal_graphs([10] * 12, seed=2)


def short(**settings):
    return TrainingConfiguration(**{"rounds": 2, "epochs": 8, "device": "cpu"} | settings)


def interrupted_in(splits, configuration, out, epoch):
    def interrupt(record):
        if record["epoch"] == epoch:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(*splits, configuration, out_dir=out, progress=interrupt, resume=True)


def contents(out):
    lines = (out / "metrics.jsonl").read_text().splitlines()
    records = [json.loads(line) for line in lines]
    for record in records:
        del record["seconds"]
    return records, (out / "checkpoint.safetensors").read_bytes()


@pytest.mark.parametrize(
    "settings",
    [{}, {"learning_rate": 0.1, "patience": 3, "epochs": 60}, {"decay_every": 2, "model": "MLP"}],
)
def test_interrupted_twice_and_never_are_the_same_run(splits, tmp_path, settings):
    configuration = short(**settings)
    whole = train(*splits, configuration, out_dir=tmp_path / "whole")
    interrupted_in(splits, configuration, tmp_path / "pieces", epoch=2)
    interrupted_in(splits, configuration, tmp_path / "pieces", epoch=5)
    assert (tmp_path / "pieces" / "state.safetensors").is_file()
    result = train(*splits, configuration, out_dir=tmp_path / "pieces", resume=True)
    assert contents(tmp_path / "pieces") == contents(tmp_path / "whole")
    assert result.best_epoch == whole.best_epoch
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, result.model.state_dict()[name])
    assert not (tmp_path / "pieces" / "state.safetensors").exists()


def test_random_numbers_of_a_model_go_on(splits, tmp_path, monkeypatch):
    monkeypatch.setattr(registry_module, "_REGISTERED", {})

    @register_model("Dropout")
    class Dropout(NodeModel):
        def __init__(self, width):
            super().__init__()
            self.linear = torch.nn.Linear(width, width)

        def forward(self, h, edge_index, e, batch):
            return torch.nn.functional.dropout(self.linear(h), 0.3, self.training)

    configuration = short(model="Dropout")
    train(*splits, configuration, out_dir=tmp_path / "whole")
    interrupted_in(splits, configuration, tmp_path / "pieces", epoch=3)
    train(*splits, configuration, out_dir=tmp_path / "pieces", resume=True)
    assert contents(tmp_path / "pieces") == contents(tmp_path / "whole")


def test_lines_written_after_the_last_state_are_written_anew(splits, tmp_path, monkeypatch):
    whole = train(*splits, short(), out_dir=tmp_path / "whole")
    interrupted_in(splits, short(), tmp_path / "pieces", epoch=3)
    monkeypatch.setattr(fitting_module, "SECONDS_BETWEEN_STATES", 1e9)
    interrupted_in(splits, short(), tmp_path / "pieces", epoch=6)  # The state is that of epoch 3.
    seen = []
    train(*splits, short(), out_dir=tmp_path / "pieces", resume=True, progress=seen.append)
    assert [record["epoch"] for record in seen] == [4, 5, 6, 7, 8]
    assert contents(tmp_path / "pieces") == contents(tmp_path / "whole")
    assert len(whole.history) == 8


def test_a_finished_run_is_only_read(splits, tmp_path):
    whole = train(*splits, short(), out_dir=tmp_path)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}

    def never(record):
        raise AssertionError("trained again")

    again = train(*splits, short(), out_dir=tmp_path, resume=True, progress=never)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    assert again.history == whole.history
    assert again.to_dict() == whole.to_dict()
    graph = splits[1][0]
    assert torch.equal(again.model(graph), whole.model(graph))


def test_without_resume_a_run_starts_anew(splits, tmp_path):
    interrupted_in(splits, short(), tmp_path, epoch=3)
    seen = []
    train(*splits, short(), out_dir=tmp_path, progress=seen.append)
    assert [record["epoch"] for record in seen] == list(range(1, 9))


@pytest.mark.parametrize("finished", [True, False])
def test_other_settings_or_other_data_are_another_run(
    splits, tridiagonal_graphs, tmp_path, finished
):
    if finished:
        train(*splits, short(), out_dir=tmp_path)
    else:
        interrupted_in(splits, short(), tmp_path, epoch=2)
    with pytest.raises(CheckpointError, match="other settings or other data"):
        train(*splits, short(seed=1), out_dir=tmp_path, resume=True)
    other = tridiagonal_graphs([10] * 40, seed=9)
    with pytest.raises(CheckpointError, match="other settings or other data"):
        train(other, splits[1], short(), out_dir=tmp_path, resume=True)
    # Nothing was lost: the run itself can still go on.
    result = train(*splits, short(), out_dir=tmp_path, resume=True)
    assert len(result.history) == 8


@pytest.mark.parametrize("name", ["state.safetensors", "result.json"])
def test_damaged_files_are_named(splits, tmp_path, name):
    if name == "result.json":
        train(*splits, short(), out_dir=tmp_path)
    else:
        interrupted_in(splits, short(), tmp_path, epoch=2)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(CheckpointError, match=name):
        train(*splits, short(), out_dir=tmp_path, resume=True)


def test_the_checkpoint_of_an_interrupted_run_is_its_best_epoch(splits, tmp_path):
    configuration = short(learning_rate=0.1, epochs=30)
    losses = [r["validation_loss"] for r in train(*splits, configuration).history]
    worse = next(k for k in range(3, 30) if losses[k] > min(losses[:k]))
    out = tmp_path / "run"
    interrupted_in(splits, configuration, out, epoch=worse + 1)
    interrupted_in(splits, configuration, out, epoch=worse + 2)  # Written anew by the second.
    best = min(contents(out)[0], key=lambda record: record["validation_loss"])
    model = load_model(out / "checkpoint.safetensors")
    with torch.no_grad():
        mean = sum(float(cosine_per_graph(model(graph), graph)) for graph in splits[1]) / 12
    assert mean == pytest.approx(best["validation_cosine"], rel=1e-6)
