"""What pcg and gmres take for b, rtol, maxiter, restart and M, and what they refuse."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from precondbench import gmres, ic0, ilu0, pcg
from precondbench.errors import ConfigurationError, MatrixError, PrecondbenchError

A = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 5.0]])
B = [1.0, 2.0, 4.0]
INVERSE = np.linalg.inv(A)
JACOBI = np.diag(1 / np.diag(A))
SOLVERS = pytest.mark.parametrize("solve", [pcg, gmres])
EXACT = np.linalg.solve(A, B)


def operator(matrix, dtype=float):
    return LinearOperator(matrix.shape, matvec=lambda r: matrix @ r, dtype=dtype)


@SOLVERS
@pytest.mark.parametrize(
    "b",
    [
        [1, 2, 4],
        (1.0, 2.0, 4.0),
        np.array(B)[:, None],
        np.array(B, dtype=np.float16),
        np.array(B, dtype=">f8"),
        np.array(B, dtype=np.longdouble),
        np.array(B, dtype=np.uint8),
        np.repeat(B, 2)[::2],
        torch.tensor(B),
        torch.tensor(B, dtype=torch.bfloat16),
        torch.tensor(B, dtype=torch.float64, requires_grad=True),
        torch.tensor(B)[:, None],
    ],
    ids=lambda b: f"{type(b).__name__}-{getattr(b, 'dtype', '')}-{getattr(b, 'shape', '')}",
)
def test_right_hand_sides_of_every_kind(solve, b):
    found = solve(A, b)
    assert found.status == "converged"
    assert found.x.shape == (3,)
    np.testing.assert_array_equal(found.x, solve(A, np.array(B)).x)


@SOLVERS
def test_a_right_hand_side_is_not_changed(solve):
    b = np.array(B)
    solve(A, b)
    np.testing.assert_array_equal(b, B)


@SOLVERS
@pytest.mark.parametrize(
    ("b", "message"),
    [
        (np.array([1 + 5j, 2, 3]), "b is complex"),
        (np.array([1 + 0j, 2, 3]), r"b\.real"),
        (torch.tensor(B) * 1j, "b is complex"),
        (sp.csr_array([B]), "b is sparse"),
        (sp.coo_array(np.array(B)[:, None]), "b is sparse"),
        (torch.tensor([B]).to_sparse(), "b is sparse"),
        (np.ones((3, 2)), r"shape \(3, 2\)"),
        (np.ones((1, 3)), r"shape \(1, 3\)"),
        (np.ones((3, 1, 1)), r"shape \(3, 1, 1\)"),
        (np.ones(4), "A has 3 rows"),
        ([], "A has 3 rows"),
        (1.0, "A has 3 rows"),
        ("abc", "b has entries of type"),
        (None, "b has entries of type"),
        (["1", "2", "3"], "b has entries of type"),
        (np.array(B, dtype=object), "b has entries of type"),
        (np.ma.masked_equal(B, 2.0), "masked"),
        ([1.0, -np.inf, 0.0], "not finite"),
        (np.array([1e4930] * 3, dtype=np.longdouble), "not finite"),
        ([[1.0], [1.0, 2.0]], "b cannot be read"),
    ],
)
def test_right_hand_sides_that_cannot_be_used(solve, b, message):
    with pytest.raises(MatrixError, match=message):
        solve(A, b)


@pytest.mark.parametrize(
    ("solve", "name"), [(pcg, "maxiter"), (gmres, "maxiter"), (gmres, "restart")]
)
@pytest.mark.parametrize(
    "value", [np.inf, -np.inf, np.nan, None, 10.0, 2.5, True, np.True_, -1, "5", [5], 3j]
)
def test_counts_that_are_none(solve, name, value):
    with pytest.raises(ConfigurationError, match=f"{name} is .*give an integer"):
        solve(A, B, **{name: value})


@SOLVERS
@pytest.mark.parametrize("value", [np.int8(20), np.uint64(20), np.array(20), 10**40])
def test_counts_of_every_kind(solve, value):
    assert solve(A, B, maxiter=value).status == "converged"
    assert gmres(A, B, restart=value).iterations == gmres(A, B).iterations


@SOLVERS
@pytest.mark.parametrize("value", [np.nan, np.inf, -1e-300, None, "1e-8", 1e-8j, True, [1e-8]])
def test_tolerances_that_are_none(solve, value):
    with pytest.raises(ConfigurationError, match=r"rtol is .*give a finite number"):
        solve(A, B, rtol=value)


@SOLVERS
@pytest.mark.parametrize("value", [np.float32(1e-6), np.float16(1e-3), 0, 1, 1e300])
def test_tolerances_of_every_kind(solve, value):
    assert isinstance(solve(A, B, rtol=value), object)


@SOLVERS
@pytest.mark.parametrize("flexible", [False, True])
@pytest.mark.parametrize(
    "M",
    [
        JACOBI,
        JACOBI.tolist(),
        JACOBI.astype(">f8"),
        sp.diags_array(np.diag(JACOBI)),
        sp.csc_matrix(JACOBI),
        sp.coo_array((np.repeat(np.diag(JACOBI) / 2, 2), (np.arange(6) // 2,) * 2), shape=(3, 3)),
        torch.tensor(JACOBI, requires_grad=True),
        torch.tensor(JACOBI).to_sparse(),
        aslinearoperator(JACOBI),
        operator(JACOBI),
        LinearOperator((3, 3), matvec=lambda r: JACOBI @ r),
        LinearOperator((3, 3), matvec=lambda r: (JACOBI @ r.ravel())[:, None], dtype=np.float32),
    ],
    ids=lambda M: f"{type(M).__name__}-{getattr(M, 'dtype', '')}",
)
def test_preconditioners_of_every_kind(solve, M, flexible):
    """As scipy.sparse.linalg.cg takes them."""
    found = solve(A, B, M=M, flexible=flexible)
    assert found.status == "converged"
    assert found.iterations == solve(A, B, M=aslinearoperator(JACOBI)).iterations
    np.testing.assert_allclose(found.x, EXACT, rtol=1e-7)


class Halfway:
    """An operator without a shape."""

    def matvec(self, r):
        return r


@SOLVERS
@pytest.mark.parametrize(
    ("M", "message"),
    [
        (lambda r: r, r"LinearOperator\(\(3, 3\), matvec=M"),
        (np.linalg.inv, "M is a function"),
        (torch.nn.Linear(3, 3), "M is a function"),
        (operator(np.eye(2)), r"A has shape \(3, 3\), M has \(2, 2\)"),
        (aslinearoperator(np.ones((3, 2))), r"M has \(3, 2\)"),
        (np.eye(4), r"M has \(4, 4\)"),
        (sp.eye_array(2), r"M has \(2, 2\)"),
        (np.ones((3, 2)), "M is not square"),
        (np.ones(3), "M has 1 dimension"),
        (np.eye(3) * 1j, "M is complex"),
        (operator(np.eye(3) * 1j, complex), "M has entries of type complex"),
        (LinearOperator((3, 3), matvec=lambda r: r * (1 + 0j), dtype=float), "type complex"),
        (np.diag([1.0, np.nan, 1.0]), "M is not finite"),
        (sp.csr_array(np.diag([1.0, np.inf, 1.0])), "M is not finite"),
        ("jacobi", "M has entries of type"),
        (Halfway(), "M cannot be used as a LinearOperator"),
    ],
    ids=lambda M: M if isinstance(M, str) else type(M).__name__,
)
def test_preconditioners_that_cannot_be_used(solve, M, message):
    with pytest.raises(MatrixError, match=message):
        solve(A, B, M=M)


def test_one_preconditioner_for_a_solve():
    for call in (
        lambda: pcg(A, B, ic0(A), M=JACOBI),
        lambda: gmres(A, B, *ilu0(A), M=JACOBI),
        lambda: pcg(A, B, ic0(A), flexible=True),
        lambda: pcg(A, B, flexible=True),
        lambda: gmres(A, B, *ilu0(A), flexible=True),
        lambda: gmres(A, B, L=np.eye(3)),
    ):
        with pytest.raises(MatrixError):
            call()


@SOLVERS
def test_faults_of_an_operator_are_not_hidden(solve):
    def broken(r):
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        solve(A, B, M=LinearOperator((3, 3), matvec=broken, dtype=float))


@SOLVERS
@pytest.mark.parametrize(
    "given", [A.astype(np.float16), A.astype(">f4"), torch.tensor(A).to_sparse(), sp.dia_array(A)]
)
def test_matrices_of_every_kind(solve, given):
    np.testing.assert_allclose(solve(given, B).x, EXACT, rtol=1e-7)


@SOLVERS
def test_errors_are_of_this_library(solve):
    for arguments in ({"maxiter": np.inf}, {"rtol": -1}, {"M": lambda r: r}):
        with pytest.raises(PrecondbenchError):
            solve(A, B, **arguments)
