"""Record: accepted input, and one clear error for everything else."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precondbench.errors import MatrixError, ShardError
from precondbench.shards import Record
from precondbench.shards.record import pattern_fault


def record(**changes):
    fields = {
        "name": "poisson",
        "group": "demo",
        "indptr": [0, 1, 3, 5],
        "indices": [0, 0, 1, 1, 2],
        "a": [2.0, -1.0, 2.0, -1.0, 2.0],
        "labels": {"exact": np.arange(1.0, 6.0), "ic0": None},
        "facts": {"iterations": 3, "n_log_k": 0.5, "kind": "model"},
    }
    return Record(**(fields | changes))


def test_fields_have_the_stated_types():
    made = record()
    assert (made.n, made.nnz) == (3, 5)
    assert [x.dtype.str for x in (made.indptr, made.indices, made.a)] == ["<i8", "<i4", "<f8"]
    assert made.labels["exact"].dtype == np.float64
    assert made.labels["ic0"] is None


def test_arrays_of_the_right_type_are_not_copied():
    a = np.ones(5)
    assert record(a=a).a is a


def test_numpy_facts_become_plain_values():
    facts = {"i": np.int32(3), "f": np.float32(0.5), "b": np.bool_(True), "s": "x"}
    made = record(facts=facts).facts
    assert made == {"i": 3, "f": 0.5, "b": 1, "s": "x"}
    assert [type(value) for value in made.values()] == [int, float, int, str]


def test_it_is_frozen_and_does_not_follow_changes_of_what_it_was_made_from():
    labels = {"exact": np.ones(5)}
    made = record(labels=labels)
    labels["other"] = None
    assert list(made.labels) == ["exact"]
    with pytest.raises(AttributeError):
        made.name = "other"


def test_it_crosses_process_boundaries():
    made = pickle.loads(pickle.dumps(record()))
    np.testing.assert_array_equal(made.a, record().a)
    assert made.facts == record().facts


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"name": ""}, ShardError, "empty name"),
        ({"name": "a\0b"}, ShardError, "NUL"),
        ({"name": "\ud800"}, ShardError, "Unicode"),
        ({"name": 3}, ShardError, "must be a string"),
        ({"group": None}, ShardError, "'poisson': its group is None"),
        ({"indptr": [0]}, MatrixError, r"'poisson': indptr has 1 entries; it needs n \+ 1"),
        ({"indptr": [1, 2, 3, 5]}, MatrixError, "runs from 1 to 5"),
        ({"indptr": [0, 1, 3, 4]}, MatrixError, "runs from 0 to 4; .* number of indices, 5"),
        ({"indptr": [0, 1, 1, 5]}, MatrixError, "'poisson': row 1 has no entries"),
        ({"indptr": [0, 4, 3, 5]}, MatrixError, "row 1 has no entries"),
        ({"indptr": [0.0, 1.0, 3.0, 5.0]}, MatrixError, "indptr holds float64"),
        ({"indptr": [[0, 5]]}, MatrixError, "indptr has 2 dimensions"),
        ({"indices": [0, 1, 0, 1, 2]}, MatrixError, "row 1 has columns that do not ascend"),
        ({"indices": [0, 1, 1, 1, 2]}, MatrixError, "row 1 has columns that do not ascend"),
        ({"indices": [0, 0, 2, 1, 2]}, MatrixError, "row 1 reaches column 2, above the diagonal"),
        ({"indices": [0, 0, 1, 0, 1]}, MatrixError, "row 2 lacks its diagonal entry"),
        ({"indices": [0, -1, 1, 1, 2]}, MatrixError, "row 1 has a negative column"),
        ({"indices": [0, 0, 1, 1, 2**31]}, MatrixError, "does not fit into int32"),
        ({"a": [1.0, 2.0]}, MatrixError, "a has 2 values for 5 pattern entries"),
        ({"a": [1.0, np.nan, 1.0, 1.0, 1.0]}, MatrixError, "a is not finite at entry 1"),
        ({"a": [1j] * 5}, MatrixError, "a holds complex128"),
        ({"labels": {"exact": [np.inf] * 5}}, MatrixError, "'exact' is not finite.*pass None"),
        ({"labels": {"exact": [1.0]}}, MatrixError, "label 'exact' has 1 values"),
        ({"labels": {"l-1": None}}, ShardError, "label 'l-1' cannot be the name of a column"),
        ({"facts": {"Kind": 1}}, ShardError, "fact 'Kind' cannot"),
        ({"facts": {"kind": None}}, ShardError, "fact 'kind' is None; facts are"),
        ({"facts": {"kind": 2**63}}, ShardError, "does not fit into 64 bits"),
        ({"facts": {"kind": "\0"}}, ShardError, "NUL"),
    ],
)
def test_errors_name_the_record_and_the_fault(changes, error, message):
    with pytest.raises(error, match=message):
        record(**changes)


def test_numbers_that_fit_are_converted():
    made = record(indptr=np.array([0, 1, 3, 5], np.uint64), a=np.ones(5, np.float32))
    assert made.indptr.dtype == np.int64
    assert made.a.dtype == np.float64
    with pytest.raises(MatrixError, match="int64"):
        record(indptr=np.array([0, 1, 3, 2**63], np.uint64))


@given(st.lists(st.sets(st.integers(0, 30), max_size=6), min_size=1, max_size=30), st.data())
@settings(max_examples=60, deadline=None)
def test_every_lower_pattern_is_accepted_and_every_single_damage_found(rows, data):
    rows = [sorted({j for j in row if j < i} | {i}) for i, row in enumerate(rows)]
    indices = np.array([j for row in rows for j in row], np.int32)
    ends = np.cumsum([len(row) for row in rows])
    starts = ends - [len(row) for row in rows]
    numbers = np.arange(len(rows))
    assert pattern_fault(starts, ends, numbers, indices) is None
    position = data.draw(st.integers(0, indices.size - 1))
    row = int(np.searchsorted(ends, position, side="right"))
    damaged = indices.copy()
    # The value of a neighbour, or one outside the triangle, is never allowed.
    damaged[position] = -1 if position in starts else damaged[position - 1]
    fault = pattern_fault(starts, ends, numbers, damaged)
    assert fault is not None
    assert fault[0] == row
