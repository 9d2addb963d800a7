"""Edge cases of matrices, through the functions that accept them."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from harness import Subject

from precondbench import gmres, ic0, invk, k_condition, pcg
from precondbench.errors import BreakdownError, MatrixError

EDGES = Subject(
    "Edge cases of matrices",
    "sizes, types, formats, patterns, scales, signs, stored zeros, indices out of range, "
    "through invk, ic0, pcg and k_condition",
    "the correct number, or a MatrixError or BreakdownError with the position",
)
GOOD = np.array([[4.0, -1.0, 0.0], [-1.0, 4.0, -1.0], [0.0, -1.0, 4.0]])
ONES = np.ones(3)
ENTRY = {"invk": invk, "ic0": ic0, "pcg": lambda A: pcg(A, ONES), "k": lambda A: k_condition(A, A)}


def solves(A, exact=None, iterations=None):
    """Factor and solve; compare with NumPy, or with what is known."""
    dense = A.toarray() if sp.issparse(A) else np.asarray(A)
    n = dense.shape[0]
    b = np.arange(1.0, n + 1.0)
    exact = np.linalg.solve(dense.astype(np.float64), b) if exact is None else exact
    for factor in (invk, ic0):
        L = factor(A)
        assert np.all(np.isfinite(L.data))
        result = pcg(A, b, L)
        assert result.status == "converged"
        np.testing.assert_allclose(result.x, exact, rtol=1e-6, atol=1e-9 * np.max(np.abs(exact)))
        assert iterations is None or result.iterations == iterations
        assert k_condition(A, L).k >= 1.0


def bad(name, make, fragment, kind=MatrixError):
    """Every way into the library refuses it in the same words."""

    def run(bench):
        for call in ENTRY.values():
            bench.refused(kind, fragment, lambda call=call: call(make()))

    EDGES.add(name, run)


def good(name, make, **expected):
    EDGES.add(name, lambda bench: solves(make(), **expected))


# -- shapes and types --

bad("no-rows-dense", lambda: np.zeros((0, 0)), "is empty")
bad("no-rows-sparse", lambda: sp.csr_array((0, 0)), "is empty")
bad("rows-but-no-columns", lambda: np.zeros((3, 0)), "is empty")
bad("a-number", lambda: 4.0, "0 dimension")
bad("a-vector", lambda: np.ones(9), "1 dimension")
# Before SciPy 1.13 it is a matrix with one row.
bad("a-sparse-vector", lambda: sp.coo_array(np.ones(3)), "1 dimension|not square")
bad("three-dimensions", lambda: np.ones((2, 2, 2)), "3 dimension")
bad("wide", lambda: np.ones((2, 3)), "not square")
bad("tall-sparse", lambda: sp.csc_array(np.ones((3, 2))), "not square")
bad("ragged-lists", lambda: [[4.0], [1.0, 4.0]], "cannot be read as a matrix")
bad("none", lambda: None, "dimension|type object")
bad("text", lambda: [["4", "1"], ["1", "4"]], "entries of type")
bad("objects", lambda: np.array([[object()]]), "type object")
bad("dates", lambda: np.array([["2020-01-01"]], dtype="datetime64[D]"), "type datetime64")
bad("complex-dense", lambda: GOOD * (1 + 0j), "complex")
bad("complex-sparse", lambda: sp.csr_array(GOOD * (1 + 0j)), "complex")
for dtype in ("int8", "uint8", "int16", "int32", "uint32", "int64", "float16", "float32"):
    if dtype.startswith("u"):
        good(f"type-{dtype}", lambda dtype=dtype: (4 * np.eye(3)).astype(dtype), iterations=1)
    else:
        good(f"type-{dtype}", lambda dtype=dtype: GOOD.astype(dtype))
good("type-bool", lambda: np.eye(3, dtype=bool), iterations=1)
good("type-longdouble", lambda: GOOD.astype(np.longdouble))
good("type-longdouble-sparse", lambda: sp.csr_array(GOOD.astype(np.longdouble)))
good("big-endian", lambda: GOOD.astype(">f8"))
good("fortran-order", lambda: np.asfortranarray(GOOD))
good("a-view-with-strides", lambda: np.repeat(np.repeat(GOOD, 2, 0), 2, 1)[::2, ::2])
good("read-only", lambda: np.frombuffer(GOOD.tobytes()).reshape(3, 3))
good("numpy-matrix-like-lists", lambda: GOOD.tolist())
bad("longdouble-beyond-double", lambda: np.diag(np.array([np.longdouble("1e400")] * 3)), "finite")

# -- sparse formats --

for form in ("csr", "csc", "coo", "bsr", "dia", "dok", "lil"):
    good(f"format-{form}-array", lambda form=form: sp.csr_array(GOOD).asformat(form))
    good(f"format-{form}-matrix", lambda form=form: sp.csr_matrix(GOOD).asformat(form))
good("bsr-with-blocks", lambda: sp.bsr_array(sp.kron(sp.eye_array(2), GOOD).toarray(),
                                             blocksize=(3, 3)))  # fmt: skip


def wide_indices():
    A = sp.csr_array(GOOD)
    A.indices, A.indptr = A.indices.astype(np.int64), A.indptr.astype(np.int64)
    return A


def unsorted():
    A = sp.csr_array(GOOD)
    order = np.concatenate([np.arange(a, b)[::-1] for a, b in pairwise(A.indptr)])
    return sp.csr_array((A.data[order], A.indices[order], A.indptr), shape=A.shape)


def halves():
    coo = sp.coo_array(GOOD)
    twice = (np.tile(coo.data / 2, 2), (np.tile(coo.row, 2), np.tile(coo.col, 2)))
    return sp.coo_array(twice, shape=coo.shape)


def csr_halves():
    A = sp.csr_array(GOOD)
    return sp.csr_array(
        (np.repeat(A.data / 2, 2), np.repeat(A.indices, 2), 2 * A.indptr), shape=A.shape
    )


def stored_zeros(value=0.0):
    A = sp.csr_array(np.where(GOOD == 0, 9.0, GOOD))
    A.data[A.data == 9.0] = value
    return A


good("indices-of-64-bits", wide_indices)
good("indices-unsorted", unsorted)
good("duplicates-in-coo", halves)
good("duplicates-in-csr", csr_halves)
good("stored-zeros", stored_zeros)
good("stored-negative-zeros", lambda: stored_zeros(-0.0))


@EDGES.case
def stored_zeros_are_no_part_of_the_pattern(bench):
    assert invk(stored_zeros()).nnz == invk(GOOD).nnz == 5


@EDGES.case
def the_argument_is_not_touched(bench):
    for A in (unsorted(), csr_halves(), stored_zeros(), wide_indices()):
        before = (A.data.copy(), A.indices.copy(), A.indptr.copy())
        solves(A)
        for now, then in zip((A.data, A.indices, A.indptr), before, strict=True):
            np.testing.assert_array_equal(now, then)


def pointing(index=None, pointers=None, form=sp.csr_array):
    A = form(sp.csr_array(GOOD))
    if index is not None:
        A.indices[-1] = index
    if pointers is not None:
        A.indptr[:] = pointers
    return A


INVALID = "not a valid (csr|csc|bsr|coo) array"
bad("csr-index-beyond", lambda: pointing(3), INVALID)
bad("csr-index-far-beyond", lambda: pointing(2**30), INVALID)
bad("csr-index-negative", lambda: pointing(-1), INVALID)
bad("csc-index-beyond", lambda: pointing(3, form=sp.csc_array), INVALID)
bad("bsr-index-beyond", lambda: pointing(3, form=sp.bsr_array), INVALID)
bad("csr-pointers-descend", lambda: pointing(pointers=[0, 5, 3, 7]), INVALID)
bad("csr-pointers-beyond", lambda: pointing(pointers=[0, 2, 5, 99]), INVALID)
bad("csr-pointers-start-late", lambda: pointing(pointers=[1, 2, 5, 7]), INVALID)
bad("csr-pointers-negative", lambda: pointing(pointers=[0, -2, 5, 7]), INVALID)


def coo_pointing(row):
    A = sp.coo_array(GOOD)
    A.row[2] = row
    return A


bad("coo-row-beyond", lambda: coo_pointing(1000), INVALID)
bad("coo-row-negative", lambda: coo_pointing(-5), INVALID)

OVERFLOWING = (np.full(2, 1.5e308), np.zeros(2, int), np.array([0, 2]))

# -- values --


def entry(i, j, value, mirror=True):
    A = GOOD.copy()
    A[i, j] = value
    if mirror:
        A[j, i] = value
    return A


bad("nan-off-the-diagonal", lambda: entry(2, 1, np.nan), r"entry \(1, 2\) is nan")
bad("nan-on-the-diagonal", lambda: entry(1, 1, np.nan), r"entry \(1, 1\) is nan")
bad("infinite", lambda: entry(0, 0, np.inf), r"entry \(0, 0\) is inf")
bad("minus-infinite", lambda: entry(0, 2, -np.inf), r"entry \(0, 2\) is -inf")
bad("nan-in-sparse", lambda: sp.csc_array(entry(2, 0, np.nan)), "not finite")
bad("zero-on-the-diagonal", lambda: entry(1, 1, 0.0), "diagonal entry 1 is 0")
bad("negative-zero-on-the-diagonal", lambda: entry(1, 1, -0.0), "diagonal entry 1 is")
bad("negative-on-the-diagonal", lambda: entry(2, 2, -4.0), "diagonal entry 2 is -4")
bad("negative-definite", lambda: -GOOD, r"diagonal entry 0 is -4 \(3 such")
bad("diagonal-not-stored", lambda: sp.csr_array([[0.0, 1.0], [1.0, 0.0]]), "diagonal entry 0 is 0")
bad("all-zero", lambda: np.zeros((3, 3)), "diagonal entry 0 is 0")
bad("nothing-stored", lambda: sp.csr_array((3, 3)), "diagonal entry 0 is 0")
bad("not-symmetric", lambda: entry(2, 1, 3.0, mirror=False), r"entry \(2, 1\) is 3 but \(1, 2\)")
bad("pattern-not-symmetric", lambda: entry(2, 0, 3.0, mirror=False), r"\(2, 0\) is 3 but")
bad("skew", lambda: GOOD * np.array([[1, 1, 1], [-1, 1, 1], [-1, -1, 1]]), "not symmetric")
bad("not-symmetric-at-1e300", lambda: entry(2, 1, 3.0, mirror=False) * 1e300, "not symmetric")
bad("duplicates-that-overflow", lambda: sp.csr_array(OVERFLOWING, shape=(1, 1)), "not finite")


@EDGES.case
def indefinite_breaks_down_with_a_column(bench):
    A = np.array([[1.0, 2.0], [2.0, 1.0]])
    for factor in (invk, ic0):
        with pytest.raises(BreakdownError, match=r"column [01]") as caught:
            factor(A)
        assert caught.value.column in (0, 1)  # Inv-K eliminates in an order of its own.
    assert pcg(A, [1.0, -1.0]).status == "stagnated"


@EDGES.case
def off_diagonal_entries_that_overflow_when_scaled(bench):
    """No positive definite matrix has them, so that is what is said."""
    for A in (np.array([[0.125, 1.5e308], [1.5e308, 0.125]]), np.array([[1e-311, 1], [1, 1e-311]])):
        with pytest.raises(BreakdownError, match="not positive definite: entry"):
            invk(A)


@EDGES.case
def singular_breaks_down(bench):
    for factor in (invk, ic0):
        with pytest.raises(BreakdownError):
            factor(np.ones((3, 3)))


@EDGES.case
def hilbert_beyond_double_precision(bench):
    """Positive definite on paper, not in double precision."""
    i = np.arange(1, 31)
    with pytest.raises(BreakdownError, match=r"pivot of column 1\d"):
        ic0(1.0 / (i[:, None] + i - 1.0))


# -- shapes with known answers --

good("one-by-one", lambda: np.array([[4.0]]), iterations=1)
good("one-by-one-tiny", lambda: np.array([[1e-300]]), iterations=1)
good("diagonal", lambda: sp.diags_array([1.0, 2.0, 3.0]), iterations=1)
good("diagonal-over-600-decades", lambda: np.diag([1e-300, 1.0, 1e300]), iterations=1)
good("arrow-to-the-last", lambda: arrow(200), iterations=1)
good("arrow-from-the-first", lambda: arrow(200)[::-1, ::-1])
good("one-dense-row-in-a-diagonal", lambda: sp.csr_array(arrow(500)))
good("dense", lambda: np.eye(40) + np.ones((40, 40)), iterations=1)
good("two-blocks", lambda: sp.block_diag([GOOD, 1e-8 * GOOD], format="csr"))
good("scaled-to-1e-300", lambda: GOOD * 1e-300, exact=np.linalg.solve(GOOD, [1.0, 2, 3]) * 1e300)
good("scaled-to-1e300", lambda: GOOD * 1e300, exact=np.linalg.solve(GOOD, [1.0, 2, 3]) * 1e-300)


def arrow(n):
    A = 2.0 * np.eye(n)
    A[-1, :-1] = A[:-1, -1] = 1.0 / n
    return A


@EDGES.case
def an_answer_beyond_double_precision_is_not_called_converged(bench):
    A = np.array([[1e-310]])
    assert np.isfinite(ic0(A).data).all()
    assert pcg(A, [1.0], ic0(A)).status == "stagnated"
    assert gmres(A, [1.0]).status == "stagnated"
    assert pcg(1e300 * np.eye(2), [1e-300, 0.0]).status == "stagnated"


@EDGES.case
def a_million_rows(bench):
    n = 1_000_000
    diagonal = np.linspace(1.0, 2.0, n)
    A = sp.csr_array(sp.diags_array(diagonal))
    for factor in (invk, ic0):
        np.testing.assert_allclose(factor(A).diagonal(), np.sqrt(diagonal), rtol=1e-15)
    result = pcg(A, diagonal, ic0(A))
    assert result.iterations == 1
    np.testing.assert_allclose(result.x, 1.0)


@EDGES.parametrised()
def test_edges(bench, name):
    EDGES.run(bench, name)
