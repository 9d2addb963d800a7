"""Rows of lanes: compiled to vectors they have the bits of tuples."""

import numba
import numpy as np
import pytest

from precondbench._internal import at
from precondbench.solvers import lanes

rng = np.random.default_rng(7)
X = rng.uniform(-1, 1, (6, 8)) * 10.0 ** rng.integers(-300, 300, (6, 8))
X[2] = [0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, 1.0, 1e308]
LAYOUTS = {
    "contiguous": lambda values, count: np.ascontiguousarray(values[:, :count]),
    "every other": lambda values, count: np.repeat(values[:, :count], 2, axis=1)[:, ::2],
    "columns": lambda values, count: np.asfortranarray(values[:, :count]),
    "rows apart": lambda values, count: values[:, :count],
}


def with_row(zero, x, i, j):
    t, u = lanes.row(zero, x, i), lanes.row(zero, x, j)
    a = 1.0 / 3.0
    return (
        lanes.added(t, u), lanes.difference(t, u), lanes.moved(t, u, t), lanes.ratio(t, u),
        lanes.along(t, a, u), lanes.over(t, a), lanes.plus(t, a, x, j), lanes.minus(t, a, x, j),
        lanes.scaled_row(zero, a, x, i), lanes.nothing(zero), lanes.added(lanes.nothing(zero), t),
    )  # fmt: skip


def copied(zero, x, out):
    for i in range(x.shape[0]):
        lanes.put(out, i, lanes.row(zero, x, i))
    return lanes.row(zero, out, 0)[0]


compiled_with_row, compiled_copied = numba.njit(with_row), numba.njit(copied)


@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("count", [1, 4])
def test_arithmetic(count, layout):
    x = LAYOUTS[layout](X, count)
    zero = (0.0,) * count
    for i in range(6):
        for j in range(6):
            expected = np.array(with_row(zero, x, i, j))
            found = compiled_with_row(zero, x, i, j)
            assert all(isinstance(row, tuple) and len(row) == count for row in found)
            # The sign and payload of what is not a number are no business of IEEE 754.
            both = np.isnan(expected) & np.isnan(found)
            assert np.array(found)[~both].tobytes() == expected[~both].tobytes()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("count", [1, 4])
def test_rows_are_read_and_written(count, layout):
    x = LAYOUTS[layout](X, count)
    out = LAYOUTS[layout](np.zeros_like(X), count)
    first = compiled_copied((0.0,) * count, x, out)
    assert first == x[0, 0]
    assert np.array_equal(out, x, equal_nan=True)


def test_entries_of_any_type():
    @numba.njit
    def taken(values, p):
        return at(values, p)

    for kind in (np.float64, np.int32, np.int64):
        values = np.arange(5, dtype=kind)
        assert [taken(values, np.int32(p)) for p in range(5)] == [at(values, p) for p in range(5)]
        assert taken(values, 4) == 4


def test_what_is_not_a_row_is_not_compiled():
    with pytest.raises(numba.TypingError):
        numba.njit(lambda x: lanes.added(x, x))(1.0)
