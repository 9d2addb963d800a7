"""Tracks and the scorer: entries are identical on every machine."""

import json
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from precondbench import SuiteSparseInvK, SyntheticTridiag, ic0, invk
from precondbench.errors import ConfigurationError, SubmissionError
from precondbench.leaderboard import (
    TRACKS,
    open_bundle,
    pack_function,
    pack_predictions,
    track_named,
)
from precondbench.leaderboard.scoring.score import (
    bundle_candidate,
    score_candidates,
    score_seeds,
    track_of,
)
from precondbench.leaderboard.tracks import OpenTrack, TrackName, open_track, spy_density
from precondbench.matrices import formula_matrix, poisson_1d, tridiagonal_csr
from precondbench.shards import write_predictions

SAMPLE = TrackName("suitesparse-invk", "sample", "tril", "all", "best", "Sample")
SAID = {"method": "m", "kind": "learned", "authors": ["a"], "description": "d"}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A noisy factor of `twin`, three seeds."""
    folder = tmp_path_factory.mktemp("bundle")
    data = SyntheticTridiag(split="test", config="twin")
    pairs = [data.pair(i) for i in range(len(data))]
    seeds = {}
    for seed in range(3):
        chance = np.random.default_rng(seed)
        seeds[seed] = {
            pair.name: pair.L.data * (1 + 0.05 * chance.standard_normal(pair.L.nnz))
            for pair in pairs
        }
    seeds[1][data.names[4]] = None
    write_predictions(folder / "p.safetensors", "m", data.shard, data.label, seeds)
    pack_predictions([folder / "p.safetensors"], folder / "s", SAID)
    return open_bundle(folder / "s")


def test_ids_are_names_of_files():
    ids = [name.id for name in TRACKS]
    assert len(set(ids)) == len(ids)
    assert "synthetic-tridiag-1.0-twin-test-large" in ids
    assert track_named("suitesparse-invk-1.0-tril-all").splits == ("train", "val", "test")
    with pytest.raises(ConfigurationError, match="no track 'x'; known: synthetic"):
        track_named("x")


def test_what_a_track_says_of_its_matrices():
    track = open_track(track_named("synthetic-tridiag-1.0-twin-test"))
    said = track.describe()
    assert said["kind"] == "synthetic"
    assert said["matrices"][3] == {
        "name": "twin-test-00003", "n": 20, "nnz": 39, "kind": None, "condition": None,
        "family": "twin-test-00002",
        "target_iterations": said["matrices"][3]["target_iterations"], "density": None,
    }  # fmt: skip
    assert said["matrices"][3]["target_iterations"] <= 2
    assert list(said["ladder"].values()) == sorted(said["ladder"].values(), reverse=True)
    assert 0.993 < said["ceilings"]["4"] < said["ceilings"]["7"] < 0.995
    assert json.loads(json.dumps(said)) == said


def test_a_track_of_several_splits():
    track = open_track(SAMPLE)
    said = track.describe()
    assert len(track) == len(said["matrices"]) == 13
    assert said["ladder"] is said["ceilings"] is None
    names = [matrix["name"] for matrix in said["matrices"]]
    assert names[-2:] == SuiteSparseInvK(split="test", version="sample").names
    digests = {data.shard.content_digest for data in track.datasets}
    assert len(said["content_digest"]) == 64
    assert said["content_digest"] not in digests
    assert all(matrix["condition"] > 1 for matrix in said["matrices"])


def test_spy_plots():
    rows = spy_density(formula_matrix("HB/gr_30_30"))
    assert len(rows) == len(rows[0]) == 32
    assert rows == ["".join(column) for column in zip(*rows, strict=True)]  # symmetric
    assert all(rows[i][i] != "0" for i in range(32))
    assert rows[0][31] == "0"
    assert spy_density(tridiagonal_csr(poisson_1d(3))) == ["990", "999", "099"]


def test_an_entry_has_every_outcome(bundle):
    name = track_of(bundle)
    assert name.id == "synthetic-tridiag-1.0-twin-test"
    candidate = bundle_candidate(bundle, "m")
    entry = score_candidates(open_track(name), {"m": candidate})["m"]
    assert [scores.seed for scores in entry.seeds] == [0, 1, 2]
    content = entry.model_dump(mode="json")
    second = content["seeds"][1]
    assert second["status"][4] == "invalid"
    assert second["reason"] == {"4": "no prediction"}
    assert second["cosine"][4] is None
    assert second["summary"]["solved"] == 0.995
    for scores in content["seeds"]:
        assert all(len(scores[key]) == 200 for key in ("status", "iterations", "n_log_k"))
        assert scores["summary"]["effective_hops"] >= 0
    assert entry.tier == "scored"
    assert json.loads(json.dumps(content, allow_nan=False)) == content


def test_workers_change_nothing(bundle):
    track = open_track(track_of(bundle))
    candidates = {"m": bundle_candidate(bundle, "m")}
    alone = score_candidates(track, candidates)
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        shared = score_candidates(track, candidates, executor=pool)
    assert shared == alone


CODE = """
import json
from precondbench import ic0, invk
from precondbench.leaderboard.scoring.score import score_seeds
from precondbench.leaderboard.tracks import TrackName, open_track
track = open_track(TrackName("suitesparse-invk", "sample", "tril", "all", "best", "Sample"))
scores = score_seeds(track, {"IC(0)": {None: ic0}, "Inv-K": {None: invk}})
print(json.dumps({name: [one.to_dict() for one in seeds] for name, seeds in scores.items()}))
"""


@pytest.mark.long
def test_the_kind_of_processor_changes_nothing(generic_cpu):
    environment = {**os.environ, **generic_cpu, "NUMBA_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    here = score_seeds(open_track(SAMPLE), {"IC(0)": {None: ic0}, "Inv-K": {None: invk}})
    found = {name: [one.to_dict() for one in seeds] for name, seeds in here.items()}
    assert json.loads(done.stdout) == json.loads(json.dumps(found))
    (scored,) = here["IC(0)"]
    failed = [scored.status.count("invalid"), sum(map(bool, scored.reason))]
    assert failed[0] == failed[1] > 0


def test_a_split_that_is_not_ranked(tmp_path):
    data = SuiteSparseInvK(split="val", version="sample")
    pack_function(invk, data, tmp_path / "s", SAID | {"kind": "classical"})
    with pytest.raises(SubmissionError, match="is not a track of the leaderboard; these are"):
        track_of(open_bundle(tmp_path / "s"))


def test_a_track_takes_its_splits_in_order():
    splits = [SuiteSparseInvK(split=split, version="sample") for split in ("test", "train")]
    track = OpenTrack(SAMPLE, splits)
    assert [track.pair(i).name for i in range(3)] == [*splits[0].names, splits[1].names[0]]
    assert track.facts(2) == splits[1].facts(0)
