"""One clear error for each unusable matrix; reading of files."""

import gzip

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from precondbench.errors import MatrixError
from precondbench.factors.patterns.triangular import lower_triangle
from precondbench.matrices import (
    check_general,
    check_spd_candidate,
    checks,
    general_scaling,
    matrix_digest,
    plain_lower_triangle,
    power_of_two_scaling,
    read_matrix,
    write_matrix,
)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((2, 3)), r"M is not square \(2 x 3\)"),
        (np.zeros((0, 0)), "M is empty"),
        (np.eye(2) * 1j, "M is complex"),
        (np.array([[1, np.nan], [np.nan, 1]]), r"M is not finite: entry \(0, 1\) is nan"),
        (np.array([[np.inf]]), "M is not finite"),
        (np.array([[1.0, 2.0], [3.0, 20.0]]), r"not symmetric: entry \(1, 0\) is 3 but \(0, 1\)"),
        (np.array([[1.0, 0.0], [0.0, -1.0]]), "diagonal entry 1 is -1"),
        (np.array([[1.0, 0.5], [0.5, 0.0]]), "diagonal entry 1 is 0"),
        (np.ones(3), "M has 1 dimension"),
        (np.array([["a"]]), "entries of type"),
        ([[1.0], [1.0, 2.0]], "cannot be read as a matrix"),
    ],
)
def test_unusable_matrices(matrix, message):
    with pytest.raises(MatrixError, match=message):
        check_spd_candidate(matrix, "M")


@pytest.mark.parametrize(
    "form",
    [sp.csr_array, sp.csc_matrix, sp.coo_array, sp.lil_matrix, np.asarray, np.ndarray.tolist],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32, np.int64])
def test_every_form_of_a_good_matrix(form, dtype):
    dense = np.array([[2, -1, 0], [-1, 2, -1], [0, -1, 2]], dtype=dtype)
    checked = check_spd_candidate(form(dense))
    assert checked.dtype == np.float64
    assert checked.has_sorted_indices
    assert (checked.indices.dtype, checked.indptr.dtype) == (np.int32, np.int32)
    np.testing.assert_array_equal(checked.toarray(), dense)


def test_duplicates_are_summed_and_stored_zeros_dropped():
    row, col = np.array([0, 0, 1, 1, 0]), np.array([0, 0, 1, 0, 1])
    matrix = sp.coo_array((np.array([1.0, 1.0, 3.0, 0.0, 0.0]), (row, col)), shape=(2, 2))
    checked = check_spd_candidate(matrix)
    assert checked.nnz == 2
    np.testing.assert_array_equal(checked.toarray(), [[2, 0], [0, 3]])


def test_rounding_asymmetry_is_mirrored_from_below():
    matrix = np.array([[1.0, 0.1], [0.1 + 1e-17, 1.0]])
    matrix[1, 0] = np.nextafter(0.1, 1)
    checked = check_spd_candidate(matrix)
    assert checked[0, 1] == checked[1, 0] == np.nextafter(0.1, 1)


def test_the_argument_is_not_changed():
    matrix = sp.csr_array(np.array([[1.0, 0.0], [0.0, 1.0]]))
    matrix.data[0] = 0.0
    with pytest.raises(MatrixError):
        check_spd_candidate(matrix)
    assert matrix.nnz == 2


@given(st.floats(1e-290, 1e290))
def test_scaling_is_a_power_of_two_to_order_one(value):
    (scale,) = power_of_two_scaling(np.array([value]))
    assert np.frexp(scale)[0] == 0.5
    assert 0.5 <= value * scale * scale < 2.0


def test_digest_of_the_smallest_matrix():
    assert matrix_digest(check_spd_candidate([[1.0]]))[:16] == "f92de3a13718520a"


def test_write_and_read_is_exact(tmp_path, poisson_2d):
    matrix = poisson_2d(5) * (1.0 / 3.0)
    for name in ("A.mtx", "A.npz"):
        write_matrix(tmp_path / name, matrix)
        np.testing.assert_array_equal(read_matrix(tmp_path / name).toarray(), matrix.toarray())
    (tmp_path / "A.mtx.gz").write_bytes(gzip.compress((tmp_path / "A.mtx").read_bytes()))
    assert read_matrix(tmp_path / "A.mtx.gz").nnz == matrix.nnz
    assert sorted(p.name for p in tmp_path.iterdir()) == ["A.mtx", "A.mtx.gz", "A.npz"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.mtx", None, "there is no file"),
        ("a.mtx", b"hello", "not readable as Matrix Market"),
        ("a.mtx", b"", "not readable as Matrix Market"),
        ("a.mtx", b"%%MatrixMarket matrix coordinate real symmetric\n2 2 3\n1 1 1\n", "Matrix"),
        ("a.mtx", b"%%MatrixMarket matrix coordinate complex general\n1 1 1\n1 1 1 1\n", "complex"),
        ("a.npz", b"hello", "save_npz"),
        ("a.txt", b"1", "unknown ending"),
        ("a.mtx.gz", b"1", "cannot be read|not readable"),
    ],
)
def test_unreadable_files(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(MatrixError, match=message):
        read_matrix(tmp_path / name)


def test_pattern_and_integer_files(tmp_path):
    text = "%%MatrixMarket matrix coordinate pattern symmetric\n2 2 2\n1 1\n2 2\n"
    (tmp_path / "p.mtx").write_text(text)
    np.testing.assert_array_equal(read_matrix(tmp_path / "p.mtx").toarray(), np.eye(2))


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones(3), "dimension"),
        (np.ones((2, 3)), "2 x 3"),
        (np.zeros((0, 0)), "0 x 0"),
        ([[1.0, np.nan], [0.0, 1.0]], r"entry \(0, 1\) is nan"),
        (np.eye(2) * 1j, "real numbers"),
        (sp.csr_array([[1.0, 2.0], [3.0, 0.0]]), "no diagonal entry in row 1"),
    ],
)
def test_what_is_no_general_matrix(matrix, message):
    with pytest.raises(MatrixError, match=message):
        check_general(matrix)


def test_a_stored_zero_stays_on_the_diagonal_only():
    A = sp.coo_array(([0.0, 2.0, 0.0, 1.0, 0.5, 0.5], ([0, 0, 1, 1, 2, 2], [0, 1, 0, 1, 2, 2])))
    checked = check_general(A)
    assert checked.nnz == 4
    np.testing.assert_array_equal(checked.toarray(), [[0, 2, 0], [0, 1, 0], [0, 0, 1]])


def test_scaling_is_exact_and_done_once():
    rng = np.random.default_rng(4)
    A = check_general(rng.standard_normal((20, 20)) * 10.0 ** rng.uniform(-8, 8, (20, 1)))
    r, c = general_scaling(A)
    assert np.all(np.frexp(r)[0] == 0.5)
    assert np.all(np.frexp(c)[0] == 0.5)
    scaled = check_general(sp.diags_array(r) @ A @ sp.diags_array(c))
    for axis in (0, 1):
        largest = abs(scaled).max(axis=axis).toarray()
        assert np.all((largest >= 0.5) & (largest < 1.0))
    again = general_scaling(scaled)
    assert np.all(again[0] == 1.0)
    assert np.all(again[1] == 1.0)


PLAIN = {
    "int32": lambda A: A,
    "int64": lambda A: sp.csr_array(
        (A.data, A.indices.astype(np.int64), A.indptr.astype(np.int64)), shape=A.shape
    ),
    "more stored than used": lambda A: sp.csr_array(
        (np.append(A.data, 7.0), np.append(A.indices, 0), A.indptr), shape=A.shape
    ),
    "matrix": sp.csr_matrix,
}
NOT_PLAIN = {
    "unsorted": lambda A: (A.indptr, A.indices[::-1].copy(), A.data),
    "a duplicate": lambda A: (A.indptr, np.maximum(A.indices, np.roll(A.indices, 1)), A.data),
    "a zero": lambda A: (A.indptr, A.indices, np.where(A.data == A.data.min(), 0.0, A.data)),
    "infinite": lambda A: (A.indptr, A.indices, np.where(A.data > 0, np.inf, A.data)),
    "NaN": lambda A: (A.indptr, A.indices, np.where(A.data > 0, np.nan, A.data)),
    "a negative diagonal": lambda A: (A.indptr, A.indices, -A.data),
    "only the lower triangle": lambda A: _arrays(sp.tril(A, format="csr")),
    "only the upper triangle": lambda A: _arrays(sp.triu(A, format="csr")),
    "no diagonal": lambda A: _arrays(sp.csr_array(A - sp.diags_array(A.diagonal()))),
    "another value": lambda A: (A.indptr, A.indices, A.data * (1 + 1e-15 * np.arange(A.nnz))),
}


def _arrays(A):
    A = sp.csr_array(A)
    A.eliminate_zeros()
    return A.indptr, A.indices, A.data


@pytest.mark.parametrize("form", PLAIN)
def test_what_is_plain_is_copied_as_it_is(poisson_2d, form, monkeypatch):
    A = PLAIN[form](sp.csr_array(poisson_2d(7)))
    quick = check_spd_candidate(A)
    monkeypatch.setattr(checks, "_is_plain", lambda *_: False)
    slow = check_spd_candidate(A)
    for name in ("indptr", "indices", "data"):
        found, expected = getattr(quick, name), getattr(slow, name)
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected)
        assert not np.shares_memory(found, getattr(A, name))
    assert type(quick) is type(slow)
    assert quick.has_canonical_format


def test_what_is_plain(poisson_2d):
    assert checks._is_plain(*_arrays(poisson_2d(7)), *checks._NOTHING)
    rng = np.random.default_rng(1)
    for n in (1, 2, 9):
        B = rng.uniform(-1, 1, (n, n)) * (rng.uniform(size=(n, n)) < 0.4)
        A = sp.csr_array(B @ B.T + np.eye(n))
        assert checks._is_plain(*_arrays(A), *checks._NOTHING)


@pytest.mark.parametrize("change", NOT_PLAIN)
def test_what_is_not_plain(poisson_2d, change):
    A = sp.csr_array(poisson_2d(7))
    changed = NOT_PLAIN[change](A)
    triangle = np.zeros(50, np.int64), np.empty(400, np.int32), np.empty(400)
    for wanted in (checks._NOTHING, triangle):
        assert not checks._is_plain(*changed, *wanted)


@pytest.mark.parametrize("form", PLAIN)
def test_the_lower_triangle_of_what_is_plain(poisson_2d, form):
    A = PLAIN[form](sp.csr_array(poisson_2d(7)))
    indptr, indices, values = plain_lower_triangle(A)
    expected = sp.tril(check_spd_candidate(A), format="csr")
    assert np.array_equal(indptr, expected.indptr)
    assert np.array_equal(indices, expected.indices)
    assert np.array_equal(values, expected.data)
    assert (indptr.dtype, indices.dtype) == (np.int64, np.int32)


def test_the_lower_triangle_of_what_is_not_plain_takes_the_checks(poisson_2d):
    A = poisson_2d(7)
    assert plain_lower_triangle(A.toarray()) is None
    pattern, values, nothing = lower_triangle(A.toarray())
    quick, same, plain = lower_triangle(A)
    assert nothing is None
    assert plain is A
    assert np.array_equal(pattern.indices, quick.indices)
    assert np.array_equal(values, same)
    with pytest.raises(MatrixError, match="A is not square"):
        lower_triangle(A[:3])
