"""Rows whose relaxation is the best on the validation split."""

from dataclasses import replace

import numpy as np
import pytest

from precondbench import SuiteSparseInvK, evaluate
from precondbench.leaderboard import track_named
from precondbench.leaderboard.methods.registry import reference_rows, tuned
from precondbench.leaderboard.submissions.check import reference_content
from precondbench.leaderboard.tracks import TrackName
from precondbench.quality import Context

TRACK = TrackName("suitesparse-invk", "sample", "tril", "test", "best", "Sample")


def test_it_is_the_best_on_the_validation_split():
    row = replace(reference_rows(TRACK)["MIC(0), tuned"], relaxations=(0.0, 0.9, 1.0))
    found = tuned(row, TRACK)
    data = SuiteSparseInvK(split="val", version="sample")
    means = {}
    for w in row.relaxations:
        counts = evaluate(data, row.relaxed(w), log_k=False).penalised_iterations
        means[w] = np.exp(np.mean(np.log(np.maximum(counts, 1))))
    best = min(means, key=means.get)
    assert found.description.endswith(f"Here w = {best:g}.")
    A = data.pair(0).A
    np.testing.assert_array_equal(
        found.setup(A, Context()).toarray(), row.relaxed(best).setup(A, Context()).toarray()
    )
    assert (found.name, found.relaxations) == (row.name, ())
    assert reference_content(found)["description"] == found.description


def test_other_rows_choose_nothing():
    row = reference_rows(TRACK)["MIC(0), w = 0.9"]
    assert tuned(row, TRACK) is row


@pytest.mark.parametrize(
    ("track", "there"),
    [
        ("suitesparse-invk-1.0-tril-test", True),
        ("suitesparse-invk-1.0-tril-all", False),
        ("suitesparse-invk-1.0-level-1-test", False),
        ("synthetic-tridiag-1.0-twin-test", False),
    ],
)
def test_it_is_where_there_is_a_validation_split(track, there):
    assert ("MIC(0), tuned" in reference_rows(track_named(track))) is there
