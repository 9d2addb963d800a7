import json
import tomllib

import pytest
import torch

from precondbench.baselines import (
    TrainingConfiguration,
    build_model,
    load_model,
    negative_cosine,
    train,
)
from precondbench.baselines.batch import ResidentGraphs
from precondbench.baselines.losses import cosine_per_graph
from precondbench.errors import ConfigurationError, TrainingDivergedError


@pytest.fixture
def splits(tridiagonal_graphs):
    return tridiagonal_graphs([10] * 40, seed=1), tridiagonal_graphs([10] * 12, seed=2)


def short(**settings):
    return TrainingConfiguration(**{"rounds": 2, "epochs": 3, "device": "cpu"} | settings)


def weights(result):
    return torch.cat([p.flatten() for p in result.model.state_dict().values()])


def metrics(result):
    return [{k: v for k, v in record.items() if k != "seconds"} for record in result.history]


@pytest.mark.parametrize("model", ["MLP", "MessagePassingMLP"])
def test_same_seed_same_bits(splits, model):
    first, second = (train(*splits, short(model=model)) for _ in range(2))
    assert torch.equal(weights(first), weights(second))
    assert metrics(first) == metrics(second)
    other = train(*splits, short(model=model, seed=1))
    assert not torch.equal(weights(first), weights(other))


def test_random_numbers_and_threads_of_the_caller_are_left_alone(splits):
    torch.manual_seed(7)
    torch.set_num_threads(2)
    before = torch.get_rng_state()
    seen = []
    train(*splits, short(epochs=1), progress=lambda record: seen.append(torch.get_num_threads()))
    assert torch.equal(torch.get_rng_state(), before)
    assert (seen, torch.get_num_threads()) == ([1], 2)


def test_learns_graphs_of_different_sizes(tridiagonal_graphs):
    sizes = [4, 9, 6, 12] * 12
    result = train(
        tridiagonal_graphs(sizes, seed=1),
        tridiagonal_graphs(sizes[:10], seed=2),
        short(epochs=25, learning_rate=1e-2, batch_size=5),
    )
    # tril(A) itself has 0.87, the rule that looks at no neighbour 0.94.
    assert result.best_validation_cosine > 0.97
    assert result.history[-1]["loss"] < result.history[0]["loss"]


def test_one_batch_an_epoch_is_gradient_descent_by_adam(splits):
    train_set, val_set = splits
    result = train(train_set, val_set, short(epochs=1, batch_size=len(train_set)))
    torch.manual_seed(0)
    model = build_model("MessagePassingMLP", 2)
    graphs = ResidentGraphs(train_set)
    model.standardisation.fit(graphs.x, graphs.edge_attr)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    batch = graphs.batch(torch.arange(len(train_set)))
    loss = negative_cosine(model(batch), batch)
    loss.backward()
    optimiser.step()
    assert result.history[0]["loss"] == pytest.approx(loss.item(), rel=1e-6)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, result.model.state_dict()[name], rtol=1e-3, atol=1e-5)


def test_best_weights_come_back_after_early_stopping(splits):
    result = train(*splits, short(epochs=60, patience=3, learning_rate=0.1))
    assert len(result.history) == result.best_epoch + 3
    cosines = [record["validation_cosine"] for record in result.history]
    assert result.best_validation_cosine == max(cosines) == cosines[result.best_epoch - 1]
    assert not result.model.training
    (check,) = ResidentGraphs(splits[1]).batches(64)
    mean = cosine_per_graph(result.model(check), check).mean().item()
    assert mean == pytest.approx(result.best_validation_cosine, rel=1e-12)


@pytest.mark.parametrize("model", ["MessagePassingMLP", "GEN", "GlobalGraphTransformer"])
def test_a_batch_in_pieces_takes_the_same_steps(tridiagonal_graphs, model):
    sizes = [4, 9, 6, 12] * 6
    sets = tridiagonal_graphs(sizes, seed=1), tridiagonal_graphs(sizes[:8], seed=2)
    whole = train(*sets, short(model=model, batch_size=8))
    pieces = train(*sets, short(model=model, batch_size=8, max_edges=40))
    for ours, theirs in zip(metrics(pieces), metrics(whole), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-6)
    torch.testing.assert_close(weights(pieces), weights(whole), rtol=1e-3, atol=1e-4)


@pytest.mark.long
# Raised and hidden inside torch where a graph is broken; an error filter uncovers it.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
@pytest.mark.parametrize("model", ["MessagePassingMLP", "GlobalGraphTransformer"])
def test_compiled_steps_are_the_same_steps(tridiagonal_graphs, splits, tmp_path, model):
    plain = train(*splits, short(model=model))
    quick = train(*splits, short(model=model, compile=True), out_dir=tmp_path)
    for ours, theirs in zip(metrics(quick), metrics(plain), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)
    # What comes back and what is stored is an ordinary model.
    assert list(quick.model.state_dict()) == list(plain.model.state_dict())
    graph = tridiagonal_graphs([7])[0]
    stored = load_model(tmp_path / "checkpoint.safetensors")
    assert torch.equal(quick.model(graph), stored(graph))


def test_learning_rate_decays_in_steps(splits):
    result = train(*splits, short(epochs=5, decay_every=2, learning_rate=1e-2))
    rates = [record["learning_rate"] for record in result.history]
    assert rates == pytest.approx([1e-2, 1e-2, 6e-3, 6e-3, 3.6e-3])


def test_result_describes_the_run(splits):
    result = train(*splits, short(batch_size=len(splits[0]) - 1))
    assert result.steps == 2 * len(result.history) == 6
    assert result.device == "cpu"
    assert result.parameters == result.model.parameter_count()
    assert [record["epoch"] for record in result.history] == [1, 2, 3]
    assert result.seconds >= sum(record["seconds"] for record in result.history) > 0


def test_files_of_a_run(splits, tmp_path):
    out = tmp_path / "runs" / "first"
    result = train(*splits, short(), out_dir=out)
    assert {path.name for path in out.iterdir()} == {
        "configuration.toml", "environment.json", "metrics.jsonl", "checkpoint.safetensors",
        "result.json",
    }  # fmt: skip
    written = tomllib.loads((out / "configuration.toml").read_text())
    assert TrainingConfiguration(**written["training"]) == short()
    noted = json.loads((out / "environment.json").read_text())["torch"]
    # The package's version may lack the build that torch names, as in 2.4.0+cu121.
    assert torch.__version__.startswith(noted)
    lines = (out / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == result.history
    loaded = load_model(out / "checkpoint.safetensors")
    assert torch.equal(loaded(splits[1][0]), result.model(splits[1][0]))


def test_a_second_run_replaces_the_files_of_the_first(splits, tmp_path):
    train(*splits, short(epochs=3), out_dir=tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    train(*splits, short(epochs=1, model="MLP"), out_dir=tmp_path)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1
    assert load_model(tmp_path / "checkpoint.safetensors").name == "MLP"
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_an_interrupt_leaves_whole_files(splits, tmp_path):
    def interrupt(record):
        if record["epoch"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(*splits, short(), out_dir=tmp_path, progress=interrupt)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]
    assert load_model(tmp_path / "checkpoint.safetensors").rounds == 2
    assert not (tmp_path / "result.json").exists()


def test_progress_is_told_every_epoch(splits):
    told = []
    result = train(*splits, short(), progress=told.append)
    assert told == result.history


@pytest.mark.parametrize("which", [0, 1])
def test_labels_that_are_not_finite_stop_the_run(splits, which):
    splits[which][5].y[3] = torch.nan
    with pytest.raises(TrainingDivergedError, match=r"diverged in epoch 1: .*learning rate"):
        train(*splits, short())


def test_missing_labels_and_empty_splits(splits):
    train_set, val_set = splits
    with pytest.raises(ConfigurationError, match="empty"):
        train(train_set, [], short())
    del val_set[3].y
    with pytest.raises(ConfigurationError, match="validation set has no label"):
        train(train_set, val_set, short())


def test_a_misspelt_model_writes_nothing(splits, tmp_path):
    with pytest.raises(ConfigurationError, match="did you mean"):
        train(*splits, short(model="MPL"), out_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []
