"""Weights of the board: loaded by name, and predictions made from them again."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from precondbench import SyntheticTridiag, load_pretrained
from precondbench.baselines import (
    TrainingConfiguration,
    load_model,
    predict,
    save_model,
    train,
)
from precondbench.errors import (
    CheckpointError,
    ConfigurationError,
    LeaderboardError,
    SubmissionError,
)
from precondbench.leaderboard import entry_path, open_bundle, pretrained, score_submission
from precondbench.leaderboard.entries import Track, entry_of, read_leaderboard, weights_path
from precondbench.leaderboard.pretrained import SUMS, prune_weights
from precondbench.leaderboard.scoring.score import score_candidates
from precondbench.leaderboard.submissions.check import (
    IN_BAND,
    SAME_BITS,
    _Again,
    _difference,
    check_entries,
    check_entry,
)
from precondbench.leaderboard.submissions.predicted import predicted_again, starts_of
from precondbench.leaderboard.tracks import open_track, track_named
from precondbench.quality import values_digest
from precondbench.shards import file_sha256

ROOT = Path(__file__).parents[2]
TWIN = "synthetic-tridiag-1.0-twin-test"


@pytest.fixture
def board(trained_board, tmp_path):
    return shutil.copytree(trained_board, tmp_path / "leaderboard")


def stored(board, entry="mlp-1-round"):
    return read_leaderboard(board).entries[TWIN][entry]


def changed(board, change, entry="mlp-1-round"):
    path = entry_path(board, TWIN, entry)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def weights(board, entry="mlp-1-round", seed=1):
    return weights_path(board, track_named(TWIN), entry, seed)


def test_entries_state_their_weights_and_start(board, trained):
    learned, fitted = stored(board), stored(board, "moebiuscell-1-round")
    assert (learned.kind, fitted.kind) == ("learned", "fitted")
    assert learned.weights == {str(k): file_sha256(weights(board, seed=k)) for k in range(3)}
    assert list(fitted.weights) == ["0"]
    checkpoint = next(trained.glob("*/MLP-1/seed-1")) / "checkpoint.safetensors"
    assert weights(board).read_bytes() == checkpoint.read_bytes()
    means = [
        np.mean([one.summary["iterations_mean"] for one in seeds])
        for seeds in (learned.seeds, learned.start)
    ]
    assert learned.gain.mean == pytest.approx(means[0] - means[1])
    assert (fitted.start, fitted.gain) == ([], None)
    keys = {one.key for one in (*learned.seeds, *learned.start)}
    assert len(keys) == 6
    sums = (board / "weights" / SUMS).read_text().splitlines()
    assert len(sums) == 4
    assert sums[-1] == (
        f"{fitted.weights['0']}  synthetic-tridiag-1.0-twin/moebiuscell-1-round/seed-0.safetensors"
    )


def test_both_are_predicted_again_to_the_bit(board):
    (found,) = check_entries(board)
    assert (found.confirmed, found.problems) == (
        dict.fromkeys(("mlp-1-round", "moebiuscell-1-round"), SAME_BITS),
        {},
    )


def test_the_start_is_the_model_of_no_epochs(board, tmp_path):
    track = open_track(track_named(TWIN))
    (given, digest) = starts_of(stored(board).command, [1], track)[1]
    sets = [SyntheticTridiag(split=split, config="twin") for split in ("train", "val", "test")]
    settings = TrainingConfiguration(model="MLP", rounds=1, epochs=0, seed=1, device="cpu")
    result = train(*sets[:2], settings, out_dir=tmp_path)
    assert (result.best_epoch, result.to_dict()["epochs"]) == (0, 0)
    assert [record["epoch"] for record in result.history] == [0]
    again = predict(load_model(tmp_path / "checkpoint.safetensors"), sets[2])
    assert all(np.array_equal(again[name], given[name]) for name in given)
    assert values_digest(np.concatenate([again[name] for name in sets[2].shard.names])) == digest
    assert train(*sets[:2], settings, out_dir=tmp_path, resume=True).best_epoch == 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "cannot be read .*; is the file there"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), "is stated"),
        (lambda path: (path.unlink(), path.symlink_to(path.with_name("seed-0.safetensors"))),
         "not a regular file; links are not followed"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "not a regular file"),
        (lambda path: os.truncate(path, 2**27), "at most 67108864 are read"),
    ],
)  # fmt: skip
def test_other_files_are_not_read(board, damage, message):
    damage(weights(board))
    with pytest.raises(LeaderboardError, match=message):
        check_entry(board, TWIN, "mlp-1-round")


def scaled(share):
    """Change all weights by a share, as another processor changes what they give."""

    def make(path):
        model = load_model(path)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(1 + share)
        save_model(model, path)

    return make


def replaced(board, make, seed=1):
    """Put other weights in place, with their digest in the entry."""
    path = weights(board, seed=seed)
    make(path)
    changed(board, lambda c: c["weights"].__setitem__(str(seed), file_sha256(path)))


def test_another_model_is_found(board):
    replaced(board, scaled(0.05))
    with pytest.raises(LeaderboardError, match=r"seed 1: \d+ of 200 matrices lie outside the band"):
        check_entry(board, TWIN, "mlp-1-round")


@pytest.fixture(scope="module", params=[SAME_BITS, IN_BAND], ids=["same-bits", "other-bits"])
def again(request, trained_board, tmp_path_factory):
    """The entry, and what it is compared with, also where predictions have other bits.

    Weights that differ in the last bits stand in for another processor.
    """
    board = shutil.copytree(trained_board, tmp_path_factory.mktemp("again") / "leaderboard")
    if request.param == IN_BAND:
        replaced(board, scaled(3e-7), seed=2)
    track = open_track(track_named(TWIN))
    entry = stored(board)
    candidates, way = _Again(board, read_leaderboard(board), None, None, None, None)._candidates(
        track, entry
    )
    assert way == request.param
    scored = score_candidates(track, dict(enumerate(candidates)))
    facts = Track.model_validate(track.describe())
    return lambda entry: _difference(track, facts, entry, list(scored.values()), way), entry


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: None, None),
        (lambda c: c["interval"].__setitem__(0, 1.0), r"interval\[0\] is 1.0"),
        (lambda c: c["gain"].__setitem__("mean", -1e6), "gain.mean is -1000000"),
        (lambda c: c["seeds"][0]["summary"].__setitem__("iterations_mean", 1.0),
         "summary.iterations_mean is 1.0"),
        (lambda c: c["seeds"][0]["iterations"].__setitem__(slice(0, 9), [1] * 9),
         "interval|iterations"),
        (lambda c: c["predictions"].__setitem__("0", "0" * 64), "predictions.0 is"),
        (lambda c: c["start"][2]["status"].__setitem__(0, "stagnated"), "gain|start"),
        (lambda c: c.update(start=[], gain=None), "gain|start"),
    ],
)  # fmt: skip
def test_false_numbers_are_found_whatever_the_bits(again, change, message):
    difference, entry = again
    content = entry.model_dump(mode="json")
    change(content)
    found = difference(entry_of(content))
    assert found is None if message is None else re.search(message, found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameters": 7}, "states 7 parameters"),
        ({"kind": "fitted"}, "the entry is fitted; .* a model that is trained"),
        ({"command": None}, "states no command"),
        ({"command": ("MLP", "GEN")}, "another model than"),
        ({"command": ("twin", "uniform")}, "trains on synthetic-tridiag, 1.0, uniform"),
        ({"command": ("--seeds 2", "--seeds 3")}, "does not train seed 2"),
    ],
)
def test_what_is_said_of_weights(trained_board, change, message):
    entry = stored(trained_board)
    command = change.get("command")
    if isinstance(command, tuple):
        change = {"command": entry.command.replace(*command)}
    content = entry.model_dump(mode="json") | change
    with pytest.raises(SubmissionError, match=message):
        predicted_again(trained_board, entry_of(content), open_track(track_named(TWIN)))


@pytest.mark.long
def test_weights_that_do_not_give_the_predictions(board, trained, tmp_path):
    """A submission with the weights of another model, all digests right."""
    folder = shutil.copytree(trained / "MLP", tmp_path / "s")
    path = folder / "weights" / "seed-0.safetensors"
    scaled(0.05)(path)
    content = json.loads((folder / "submission.json").read_text())
    content["weights"]["0"] = file_sha256(path)
    (folder / "submission.json").write_text(json.dumps(content))
    score_submission(folder, board, name="mlp-1-round")
    with pytest.raises(LeaderboardError, match=r"seed 0: .* lie outside the band"):
        check_entry(board, TWIN, "mlp-1-round", submission=folder)
    path.write_bytes(b"x")
    with pytest.raises(SubmissionError, match="is stated"):
        open_bundle(folder)


def test_weights_of_no_entry_are_removed(board):
    entry_path(board, TWIN, "mlp-1-round").unlink()
    assert len(prune_weights(board)) == 3
    assert not weights(board).parent.exists()
    assert len((board / "weights" / SUMS).read_text().splitlines()) == 1


@pytest.fixture
def packaged(board, monkeypatch):
    """A package that holds this board's weights."""
    monkeypatch.setattr(pretrained, "_board", lambda: board)
    return board


def test_models_by_name(packaged, trained):
    model = load_pretrained(f"{TWIN}/mlp-1-round", seed=2)
    assert not model.training
    bundle = open_bundle(trained / "MLP")
    mine = predict(model, bundle.dataset)
    theirs = bundle.predictions.by_name(2, bundle.dataset.shard)
    assert all(np.array_equal(mine[name], theirs[name]) for name in mine)
    assert pretrained.pretrained_names() == [
        f"{track}/{entry}"
        for track in (f"{TWIN}-large", TWIN)
        for entry in ("mlp-1-round", "moebiuscell-1-round")
    ]


@pytest.mark.parametrize(
    ("entry", "seed", "message"),
    [
        (f"{TWIN}/mpl-1-round", 0, f"did you mean '{TWIN}/mlp-1-round'"),
        (
            "mlp-1-round",
            0,
            r"no entry with weights is called 'mlp-1-round'.*pretrained_names\(\)",
        ),
        (f"{TWIN}/../../etc/passwd", 0, "no entry with weights"),
        (f"{TWIN}/mlp-1-round", 3, "has weights of seed 0, 1, 2, not of 3"),
        (f"{TWIN}/moebiuscell-1-round", "1", "has weights of seed 0, not of '1'"),
    ],
)
def test_names_and_seeds_that_are_not_there(packaged, entry, seed, message):
    with pytest.raises(ConfigurationError, match=message):
        load_pretrained(entry, seed)


def test_altered_weights_never_reach_torch(packaged):
    path = weights(packaged)
    tensors = load_file(path)
    save_file({name: value * 2 for name, value in tensors.items()}, path)
    with pytest.raises(CheckpointError, match=r"has sha256 .* is stated"):
        load_pretrained(f"{TWIN}/mlp-1-round", seed=1)
    path.unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_pretrained(f"{TWIN}/mlp-1-round", seed=1)


@pytest.mark.skipif(not (ROOT / "leaderboard").is_dir(), reason="needs the checkout")
def test_the_digests_that_come_with_the_package_are_those_of_the_files():
    root = ROOT / "leaderboard" / "weights"
    stated = {
        path: digest
        for digest, _, path in (
            line.partition("  ") for line in (root / SUMS).read_text().splitlines()
        )
    }
    assert stated == {
        path.relative_to(root).as_posix(): file_sha256(path) for path in root.rglob("*.safetensors")
    }


def test_torch_is_loaded_with_the_first_model():
    code = "import sys; from precondbench import load_pretrained; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
