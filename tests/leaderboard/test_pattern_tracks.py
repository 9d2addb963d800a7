"""Rows and submissions on larger patterns of real matrices."""

import shutil

import numpy as np
import pytest

from precondbench import Pair, SuiteSparseInvK, ic0, invk
from precondbench.errors import SubmissionError
from precondbench.factors import incomplete_cholesky, pattern_of, shifted_ic0
from precondbench.leaderboard import open_bundle, pack_function, track_named
from precondbench.leaderboard.methods.registry import reference_rows
from precondbench.leaderboard.methods.symmetric import ict_of_equal_memory
from precondbench.leaderboard.tracks import TrackName, open_track
from precondbench.matrices import check_spd_candidate, formula_matrix
from precondbench.quality import evaluate_many
from prediction_files import with_values

KERSHAW = np.array([[3, -2, 0, 2], [-2, 3, -2, 0], [0, -2, 3, -2], [2, 0, -2, 3.0]])


class Grid:
    """The grid gr_30_30 with the target of a pattern."""

    def __init__(self, pattern):
        A = formula_matrix("HB/gr_30_30")
        self.pattern = pattern_of(A, pattern)
        self._pair = Pair("grid", A, invk(A, self.pattern, method="simplicial"))

    def __len__(self):
        return 1

    def pair(self, index):
        return self._pair


@pytest.mark.parametrize("pattern", ["level-1", "level-2"])
def test_every_row_on_a_grid(pattern):
    data = Grid(pattern)
    level = pattern[-1]
    methods = reference_rows(track_named(f"suitesparse-invk-1.0-{pattern}-test"))
    rows = {name: found.rows[0] for name, found in evaluate_many(data, methods).items()}
    assert {row.status for row in rows.values()} == {"converged"}
    steps = {name: row.iterations for name, row in rows.items()}
    assert rows["Inv-K"].iterations == rows["Inv-K"].target_iterations
    assert steps["Inv-K"] < steps["Inv-K on tril(A)"] < steps["Jacobi"]
    assert steps[f"IC({level})"] < steps["IC(0)"]
    share = data.pattern.nnz / 4322
    assert rows["Inv-K"].work == rows["FSAI"].work == pytest.approx(share)
    assert rows["Inv-K on tril(A)"].work == rows["IC(0)"].work == 1.0
    assert 1.0 < rows["ICT of equal memory"].work <= share


def test_ict_takes_no_more_than_the_pattern():
    A = formula_matrix("HB/gr_30_30")
    sizes = [ict_of_equal_memory(A, name).pattern.nnz for name in ("tril", "level-1", "level-2")]
    allowed = [pattern_of(A, name).nnz for name in ("tril", "level-1", "level-2")]
    assert all(size <= most for size, most in zip(sizes, allowed, strict=True))
    # Kershaw's matrix, where IC(0) breaks down: another choice of as many entries exists.
    assert ict_of_equal_memory(check_spd_candidate(KERSHAW, "A"), "tril").pattern.nnz == 8


def test_a_shift_on_a_larger_pattern():
    """Kershaw's matrix needs a shift on its own pattern, and none with all its fill-in."""
    assert shifted_ic0(KERSHAW)[1] == 0.25
    full = pattern_of(check_spd_candidate(KERSHAW, "A"), "level-1")
    L, alpha = shifted_ic0(KERSHAW, full)
    assert alpha == 0.0
    np.testing.assert_array_equal(L.data, incomplete_cholesky(KERSHAW, full).data)
    np.testing.assert_allclose((L @ L.T).toarray(), KERSHAW, atol=1e-12)


SAID = {"method": "m", "kind": "classical", "authors": ["a"], "description": "d"}


def test_a_submission_covers_the_larger_pattern(tmp_path):
    """A factor on tril(A) fits, with zeros on the fill-in; a file of its values does not."""
    data = SuiteSparseInvK(split="val", version="sample", pattern="level-1")
    pack_function(ic0, data, tmp_path / "s", SAID)
    bundle = open_bundle(tmp_path / "s")
    (values,) = bundle.predictions.seeds.values()
    assert values.size == data.shard.nnz_offsets[-1]
    shutil.copytree(tmp_path / "s", tmp_path / "t")
    smaller = SuiteSparseInvK(split="val", version="sample").shard.nnz_offsets[-1]
    assert smaller < values.size
    with_values(tmp_path / "t" / "predictions.safetensors", np.ones(int(smaller)))
    with pytest.raises(SubmissionError, match=f"{smaller} values, the split has {values.size}"):
        open_bundle(tmp_path / "t")


def test_a_track_counts_the_entries_of_the_pattern():
    name = TrackName("suitesparse-invk", "sample", "level-2", "val", "best", "Sample, level 2")
    said = open_track(name).describe()
    A = formula_matrix("HB/nos1")
    assert said["matrices"][0]["nnz"] == pattern_of(A, "level-2").nnz > (A.nnz + 237) // 2
    assert said["protocol"]["solver"] == "PCG"
    assert said["ladder"] is None
