"""A model for each fold, and one file of predictions in which each matrix is a test matrix."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from precondbench import SuiteSparseInvK
from precondbench.baselines import (
    RunConfiguration,
    TrainingConfiguration,
    build_model,
    join_models,
    load_model,
    load_models,
    predict,
    save_model,
    training_command,
)
from precondbench.baselines.training.runs import (
    is_done,
    run_folder,
    runs_of_folds,
    train_and_predict,
)
from precondbench.datasets import DataSelection
from precondbench.errors import CheckpointError, ConfigurationError
from precondbench.leaderboard.submissions.predicted import training_runs
from precondbench.recipes import FOLDS, fold_splits
from precondbench.shards import read_predictions

DATA = DataSelection(dataset="suitesparse-invk", version="sample-2.0")
RUN = RunConfiguration(
    data=DATA, training=TrainingConfiguration(model="MLP", rounds=1, epochs=1, batch_size=8)
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = run_folder(tmp_path_factory.mktemp("runs"), RUN)
    results, paths = train_and_predict(RUN, folder)
    return folder, results, paths


def test_every_fold_has_its_own_data():
    names = set(SuiteSparseInvK(split="all", version="sample-2.0").names)
    for run, fold in zip(runs_of_folds(RUN), range(FOLDS), strict=True):
        for split, expected in fold_splits(fold).items():
            found = run.data.open(split).names
            assert set(found) == set(expected) & names
            assert found


def test_a_run_trains_every_fold(trained):
    folder, results, paths = trained
    assert list(results) == [folder / f"fold-{fold}" for fold in range(FOLDS)]
    assert all((place / "result.json").is_file() for place in results)
    assert paths == [folder / "predictions-all.safetensors"]
    assert is_done(RUN, folder)


def test_each_matrix_is_predicted_by_the_model_of_its_fold(trained):
    _, results, (path,) = trained
    data = SuiteSparseInvK(split="all", version="sample-2.0")
    stored = read_predictions(path).by_name(0, data.shard)
    assert list(stored) == data.names
    for fold, place in enumerate(results):
        model = load_model(place / "checkpoint.safetensors")
        test = SuiteSparseInvK(split="test", version="sample-2.0", fold=fold)
        for name, values in predict(model, test, batch_size=8).items():
            np.testing.assert_array_equal(stored.pop(name), values)
    assert not stored


def test_an_interrupted_run_goes_on(trained, tmp_path):
    _, _, (path,) = trained
    one = run_folder(tmp_path, replace(RUN, data=replace(DATA, fold=3)))
    assert one.name == "fold-3"
    results, paths = train_and_predict(runs_of_folds(RUN)[3], one)
    assert (list(results), paths) == ([one], [])
    before = (one / "result.json").read_bytes()
    _, (again,) = train_and_predict(RUN, one.parent)
    assert (one / "result.json").read_bytes() == before
    assert again.read_bytes() == path.read_bytes()


def test_the_command_of_a_run(trained):
    assert training_runs(training_command(RUN.resolved())) == {0: RUN.resolved()}


def test_models_of_folds_in_one_file(trained, tmp_path):
    _, results, _ = trained
    path = tmp_path / "joined.safetensors"
    join_models([place / "checkpoint.safetensors" for place in results], path)
    for model, place in zip(load_models(path), results, strict=True):
        for name, value in load_model(place / "checkpoint.safetensors").state_dict().items():
            assert torch.equal(model.state_dict()[name], value)
    with pytest.raises(CheckpointError, match="holds the models of 5 folds; use load_models"):
        load_model(path)
    (alone,) = load_models(next(iter(results)) / "checkpoint.safetensors")
    assert alone.name == "MLP"


def test_models_that_differ_are_not_joined(tmp_path):
    paths = [tmp_path / "1.safetensors", tmp_path / "2.safetensors"]
    for rounds, path in enumerate(paths, start=1):
        save_model(build_model("MLP", rounds), path)
    with pytest.raises(CheckpointError, match="hold different models"):
        join_models(paths, tmp_path / "joined.safetensors")
    assert not (tmp_path / "joined.safetensors").exists()


def test_other_data_has_no_folds():
    with pytest.raises(ConfigurationError, match="synthetic-tridiag has no folds"):
        DataSelection(dataset="synthetic-tridiag", fold=0).open("train")
    with pytest.raises(ConfigurationError, match="fold"):
        DataSelection(dataset="suitesparse-invk", version="2.0", fold=5)
