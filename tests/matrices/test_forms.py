"""Every form of a matrix gives the same numbers, or one error; symmetry entry against entry."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from precondbench import ic0, ilu0, invk, k_condition, pcg
from precondbench.errors import MatrixError
from precondbench.factors import fsai, ict, incomplete_cholesky, local_invk, lower_pattern
from precondbench.matrices import check_general, check_spd_candidate, read_matrix, write_matrix
from precondbench.solvers import FactoredInverse

A = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, -1.0], [0.0, -1.0, 2.0]])
L = np.array([[2.0, 0.0, 0.0], [0.5, 1.5, 0.0], [0.0, -0.5, 1.0]])


def swapped(matrix):
    """SciPy refuses to make such a matrix, but not to have its data replaced."""
    matrix.data = matrix.data.astype(">f8")
    return matrix


FORMS = {
    "big-endian": lambda M: M.astype(">f8"),
    "big-endian single": lambda M: M.astype(">f4"),
    "half": lambda M: M.astype(np.float16),
    "long double": lambda M: M.astype(np.longdouble),
    "Fortran order": np.asfortranarray,
    "strided": lambda M: np.repeat(np.repeat(M, 2, axis=0), 3, axis=1)[::2, ::3],
    "read-only": lambda M: np.broadcast_to(M, (1, 3, 3))[0],
    "nested lists": np.ndarray.tolist,
    "csc single": lambda M: sp.csc_array(M.astype(np.float32)),
    "coo with big-endian data": lambda M: swapped(sp.coo_array(M)),
    "coo long double": lambda M: sp.coo_array(
        (M[M != 0].astype(np.longdouble), np.nonzero(M)), shape=M.shape
    ),
    "dok": sp.dok_array,
    "lil": sp.lil_array,
    "dia": sp.dia_array,
    "bsr": lambda M: sp.bsr_array(M, blocksize=(1, 1)),
    "torch": torch.tensor,
    "torch single": lambda M: torch.tensor(M, dtype=torch.float32),
    "torch bfloat16": lambda M: torch.tensor(M, dtype=torch.bfloat16),
    "torch with a gradient": lambda M: torch.tensor(M, requires_grad=True),
    "torch transposed": lambda M: torch.tensor(M.T.copy()).T,
    "torch COO": lambda M: torch.tensor(M).to_sparse(),
    "torch COO with a gradient": lambda M: torch.tensor(M).to_sparse().requires_grad_(),
    "torch COO with duplicates": lambda M: torch.sparse_coo_tensor(
        np.tile(np.nonzero(M), 2), np.tile(M[M != 0] / 2, 2), M.shape, check_invariants=False
    ),
    "torch CSR": lambda M: torch.tensor(M).to_sparse_csr(),
    "torch CSC": lambda M: torch.tensor(M).to_sparse_csc(),
    "torch parameter": lambda M: torch.nn.Parameter(torch.tensor(M)),
}
NUMBERS = {"int8": np.int8, "uint16": np.uint16, "int64": np.int64, "big-endian int": ">i4"}
FUNCTIONS = {
    "invk": lambda A, L: invk(A).toarray(),
    "invk on a pattern": lambda A, L: invk(A, L).toarray(),
    "ic0": lambda A, L: ic0(A).toarray(),
    "incomplete Cholesky": lambda A, L: incomplete_cholesky(A, L).toarray(),
    "ict": lambda A, L: ict(A).toarray(),
    "fsai": lambda A, L: fsai(A).toarray(),
    "local Inv-K": lambda A, L: local_invk(A, 1).toarray(),
    "ilu0": lambda A, L: ilu0(A)[1].toarray(),
    "K": lambda A, L: np.array(k_condition(A, L)),
    "pcg": lambda A, L: pcg(A, [1.0, 2.0, 3.0], L).x,
    "factored inverse": lambda A, L: FactoredInverse(L) @ np.array([1.0, 2.0, 3.0]),
}


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor:UserWarning")
@pytest.mark.filterwarnings("ignore:.*sparse.*beta:UserWarning")
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_bits(form):
    A_, L_ = FORMS[form](A), FORMS[form](L)
    for name, function in FUNCTIONS.items():
        np.testing.assert_array_equal(function(A_, L_), function(A, L), err_msg=name)


@pytest.mark.parametrize("dtype", NUMBERS.values(), ids=NUMBERS)
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array, sp.coo_array])
def test_integers(dtype, form):
    whole = np.array([[4, 1], [1, 3]])
    if dtype == ">i4" and form is not np.asarray:
        pytest.skip("SciPy does not make such matrices")
    given = form(whole.astype(dtype))
    np.testing.assert_array_equal(invk(given).toarray(), invk(whole.astype(float)).toarray())
    np.testing.assert_array_equal(check_general(given).toarray(), whole)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array, torch.tensor])
def test_booleans(form):
    given = form(np.eye(3, dtype=bool))
    np.testing.assert_array_equal(invk(given).toarray(), np.eye(3))
    np.testing.assert_array_equal(invk(A, given).toarray(), invk(A, np.eye(3)).toarray())


REFUSED = {
    "complex": (A * 1j, "is complex"),
    "complex single sparse": (sp.csr_array(A.astype(np.complex64)), "is complex"),
    "torch complex": (torch.tensor(A * 1j), "is complex"),
    "torch complex COO": (torch.tensor(A * 1j).to_sparse(), "is complex"),
    "text": (A.astype(str), "entries of type <U"),
    "objects": (A.astype(object), "entries of type object"),
    "dates": (np.full((3, 3), "2026-01-01", dtype="M8[D]"), "entries of type datetime64"),
    "records": (np.zeros((3, 3), dtype=[("a", "f8")]), "entries of type"),
    "csr with big-endian data": (swapped(sp.csr_array(np.tril(A))), "data.astype"),
    "masked": (np.ma.masked_array(A, A == 0), "masked array"),
    "torch on no device": (torch.empty(3, 3, device="meta"), "cannot be converted"),
    "torch with three dimensions": (torch.ones(3, 3, 3), "3 dimension"),
    "torch COO with three dimensions": (torch.ones(3, 3, 3).to_sparse(), "3 dimension"),
    "an operator": (sp.linalg.aslinearoperator(A), "solvers take an operator as M="),
    "long double beyond float64": (np.eye(3) * np.longdouble("1e400"), "not finite"),
    "none": (None, "dimension|entries of type object"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_matrix_is_one_error(name):
    given, message = REFUSED[name]
    for call in (
        lambda: invk(given),
        lambda: ilu0(given),
        lambda: k_condition(A, given),
        lambda: k_condition(given, L),
        lambda: FactoredInverse(given),
        lambda: write_matrix("never.mtx", given),
    ):
        with pytest.raises(MatrixError, match=message):
            call()


# --- Entry against entry ---


def with_entries(diagonal, **entries):
    M = np.diag(np.asarray(diagonal, dtype=float))
    for place, value in entries.items():
        i, j = map(int, place[1:].split("_"))
        M[i, j] = value
    return M


PENALTY = [1e30, 4.0, 4.0, 4.0]
LOPSIDED = {
    "one triangle under a penalty": with_entries(PENALTY, e1_2=-1, e2_3=-1),
    "one entry under a penalty": with_entries(PENALTY, e1_2=-1, e2_1=-1, e2_3=-1),
    "one entry of the penalised row": with_entries(PENALTY, e0_1=-1, e1_2=-1, e2_1=-1),
    "sizes in the penalised row": with_entries(PENALTY, e0_1=-1, e1_0=-2),
    "signs": with_entries([2, 2], e0_1=-1, e1_0=1),
    "half a digit in nine": with_entries([2, 2], e0_1=1, e1_0=1 + 1e-9),
    "a small entry beside a large one": with_entries(
        [4, 4, 4], e0_1=2, e1_0=2, e1_2=1e-8, e2_1=2e-8
    ),
    "a small one-sided entry": with_entries([4, 4, 4], e0_1=2, e1_0=2, e1_2=1e-10),
    "one-sided in a diagonal matrix": with_entries([4, 4, 4], e1_2=1e-200),
    "in tiny units": with_entries([4e-200, 4e-200], e0_1=1e-200),
    "in mixed units": with_entries([1e-100, 1e100], e0_1=0.5),
    "opposite signs that overflow": with_entries([1e308, 1e308], e0_1=1e308, e1_0=-1e308),
}


@pytest.mark.parametrize("name", LOPSIDED)
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array, sp.coo_array])
@pytest.mark.parametrize("transposed", [False, True])
def test_asymmetry_is_seen_beside_any_entry(name, form, transposed):
    M = LOPSIDED[name].T if transposed else LOPSIDED[name]
    with pytest.raises(MatrixError, match="is not symmetric"):
        check_spd_candidate(form(M))


@pytest.mark.parametrize("digits", [12, 13, 15, 17])
@pytest.mark.parametrize("seed", range(4))
def test_rounding_in_a_file_of_twelve_digits_passes(digits, seed):
    g = np.random.default_rng(seed)
    M = g.standard_normal((8, 8)) * 10.0 ** g.integers(-9, 9, (8, 8))
    M = (M + M.T) + np.diag(np.full(8, 1e10))
    noisy = M * (1 + 1e-15 * g.standard_normal(M.shape))
    written = np.array([[float(f"{x:.{digits - 1}e}") for x in row] for row in noisy])
    assert check_spd_candidate(written).shape == (8, 8)


@pytest.mark.parametrize("scale", [1.0, 1e-150, 1e150])
def test_sums_that_cancel_pass(scale):
    """Two loops of assembly leave 1e-17 and -3e-18 where the exact entry is 0, in mixed units."""
    d = np.array([1.0, 1e6, 1e-6]) * scale
    M = np.array([[2.0, -1.0, 1e-16], [-1.0, 2.0, -1.0], [-3e-17, -1.0, 2.0]])
    assert check_spd_candidate(M * d[:, None] / scale * d).nnz == 9
    M[0, 2], M[2, 0] = 1e-13, -3e-14
    with pytest.raises(MatrixError, match="not symmetric"):
        check_spd_candidate(M * d[:, None] / scale * d)


def test_an_entry_stored_on_one_side_only_is_not_symmetric():
    one_sided = sp.coo_array(
        ([2.0, 2.0, 1.0, 1.0, 2.0, 1e-18], ([0, 1, 0, 1, 2, 0], [0, 1, 1, 0, 2, 2])), shape=(3, 3)
    )
    with pytest.raises(MatrixError, match=r"entry \(2, 0\) is 0 but \(0, 2\) is 1e-18"):
        check_spd_candidate(one_sided)
    one_sided.data[-1] = 0.0
    assert check_spd_candidate(one_sided).nnz == 5


@pytest.mark.parametrize("power", [-900, 0, 900])
def test_the_answer_does_not_depend_on_units(power):
    for M in LOPSIDED.values():
        if np.max(np.abs(M)) < 1e31 and np.min(np.abs(M[M != 0])) > 1e-31:
            with pytest.raises(MatrixError, match="not symmetric"):
                check_spd_candidate(np.ldexp(M, power))


def test_penalty_matrix_of_the_upper_triangle_is_refused_by_pcg():
    upper = sp.csr_array(np.triu(with_entries(PENALTY, e1_2=-1, e2_1=-1, e2_3=-1, e3_2=-1)))
    with pytest.raises(MatrixError, match=r"pass tril\(A\)"):
        pcg(upper, [1e30, 1.0, 2.0, 3.0])


# --- Writing ---


@pytest.mark.parametrize("ending", [".mtx", ".npz"])
def test_what_cannot_be_written(tmp_path, ending):
    path = tmp_path / f"b{ending}"
    for given, message in (
        (np.ones((2, 3)), "not square"),
        (np.ones(3), "1 dimension"),
        (np.zeros((0, 0)), "is empty"),
        (np.diag([1.0, np.nan]), "not finite"),
    ):
        with pytest.raises(MatrixError, match=message):
            write_matrix(path, given)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("form", ["big-endian", "half", "torch CSR", "dok", "coo long double"])
def test_forms_that_can_be_written(tmp_path, form):
    write_matrix(tmp_path / "a.mtx", FORMS[form](A))
    np.testing.assert_array_equal(read_matrix(tmp_path / "a.mtx").toarray(), A)


def test_duplicates_are_summed_before_they_are_written(tmp_path):
    coo = sp.coo_array(A)
    twice = sp.coo_array(
        (np.tile(coo.data / 2, 2), (np.tile(coo.row, 2), np.tile(coo.col, 2))), shape=A.shape
    )
    for name in ("a.mtx", "a.npz"):
        write_matrix(tmp_path / name, twice)
        np.testing.assert_array_equal(read_matrix(tmp_path / name).toarray(), A)
    assert lower_pattern(sp.tril(twice)).nnz == 5
