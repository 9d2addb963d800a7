"""Random matrices, and round trips through files."""

import warnings

import numpy as np
from harness import well_said
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from test_matrix_edges import GOOD

from precondbench import ic0, invk
from precondbench.errors import AccuracyWarning, PrecondbenchError
from precondbench.matrices import read_matrix, write_matrix

squares = arrays(np.float64, st.integers(0, 4).map(lambda n: (n, n)), elements=st.floats())


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(squares, st.booleans())
def test_any_matrix_gives_a_finite_factor_or_an_error(values, mirrored):
    with np.errstate(all="ignore"):
        A = values + values.T if mirrored else values
    for factor in (invk, ic0):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", AccuracyWarning)  # Deserved by most of these.
                L = factor(A)
        except PrecondbenchError as error:
            well_said(error)
        else:
            assert np.all(np.isfinite(L.data))
            assert np.all(L.diagonal() > 0)


def test_what_is_written_is_read_again(tmp_path):
    for name in ("A.mtx", "A.npz"):
        write_matrix(tmp_path / name, GOOD * 1e-300)
        np.testing.assert_array_equal(read_matrix(tmp_path / name).toarray(), GOOD * 1e-300)
