"""Invalid right-hand sides, factors, operators and predictions, and ``factor``."""

import numpy as np
import scipy.sparse as sp
from harness import Subject
from test_matrix_edges import GOOD, OVERFLOWING, pointing

from precondbench import Pair, evaluate, ic0, invk, k_condition, pcg
from precondbench.errors import ConfigurationError, MatrixError, PredictionError
from precondbench.matrices import check_general, check_spd_candidate

ARGUMENTS = Subject(
    "Right-hand sides, factors and predictions",
    "b, rtol, maxiter, L, M, patterns and predictions of wrong size, type, shape or value, through "
    "pcg, k_condition, invk, evaluate and the command factor",
    "a MatrixError, PredictionError or ConfigurationError, or a row of the evaluation with a "
    "reason",
)
ONES = np.ones(3)

# -- the other arguments --


def wrong_call(name, call, fragment, kind=MatrixError):
    ARGUMENTS.add(name, lambda bench: bench.refused(kind, fragment, call))


wrong_call("b-too-short", lambda: pcg(GOOD, np.ones(2)), "b has shape")
wrong_call("b-too-long", lambda: pcg(GOOD, np.ones(4)), "b has shape")
wrong_call("b-a-row", lambda: pcg(GOOD, np.ones((1, 3))), r"b has shape \(1, 3\)")
wrong_call("b-a-number", lambda: pcg(GOOD, 1.0), "b has shape")
wrong_call("b-with-nan", lambda: pcg(GOOD, [1.0, np.nan, 1.0]), "b is not finite")
wrong_call("b-infinite", lambda: pcg(GOOD, [1.0, np.inf, 1.0]), "b is not finite")
wrong_call("b-complex", lambda: pcg(GOOD, np.ones(3) * 1j), "b is complex")
wrong_call("b-text", lambda: pcg(GOOD, ["1", "2", "3"]), "b has entries of type")
wrong_call("b-ragged", lambda: pcg(GOOD, [[1.0], [1.0, 2.0], 3.0]), "b cannot be read")
wrong_call("rtol-negative", lambda: pcg(GOOD, ONES, rtol=-1.0), "rtol is -1", ConfigurationError)
wrong_call(
    "rtol-nan", lambda: pcg(GOOD, ONES, rtol=float("nan")), "rtol is nan", ConfigurationError
)
wrong_call("maxiter-negative", lambda: pcg(GOOD, ONES, maxiter=-1), "maxiter is -1",
           ConfigurationError)  # fmt: skip
wrong_call("L-of-another-size", lambda: pcg(GOOD, ONES, np.eye(2)), "A has 3 rows, L has 2")
wrong_call("L-with-an-upper-entry", lambda: pcg(GOOD, ONES, GOOD), "above the diagonal")
wrong_call("L-without-a-diagonal", lambda: pcg(GOOD, ONES, sp.csr_array(np.tril(GOOD, -1))),
           "lacks the diagonal entry")  # fmt: skip
wrong_call("L-singular", lambda: pcg(GOOD, ONES, stored_lower(0.0)), "singular: diagonal entry 1")
wrong_call("L-with-nan", lambda: pcg(GOOD, ONES, np.diag([1.0, np.nan, 1.0])), "not finite")
wrong_call("L-complex", lambda: pcg(GOOD, ONES, np.eye(3) * 1j), "L is complex")
wrong_call("L-text", lambda: pcg(GOOD, ONES, [["1"]]), "entries of type")
wrong_call("L-ragged", lambda: pcg(GOOD, ONES, [[1.0], [1.0, 2.0]]), "L cannot be read")
wrong_call("L-a-vector", lambda: pcg(GOOD, ONES, np.ones(3)), "1 dimension")
wrong_call("L-points-outside", lambda: pcg(GOOD, ONES, pointing(7)), "L is not a valid csr")
wrong_call("K-of-another-size", lambda: k_condition(GOOD, np.eye(4)), "A has 3 rows, L has 4")
wrong_call("L-and-M", lambda: pcg(GOOD, ONES, np.eye(3), M=sp.linalg.aslinearoperator(GOOD)),
           "one preconditioner")  # fmt: skip
wrong_call("M-of-another-size", lambda: pcg(GOOD, ONES, M=sp.linalg.aslinearoperator(np.eye(4))),
           "M has")  # fmt: skip
wrong_call("pattern-of-another-size", lambda: invk(GOOD, np.eye(4)), "pattern has 4 rows")
wrong_call("pattern-that-points-outside", lambda: invk(GOOD, pointing(7)), "not a valid csr")
wrong_call("general-that-points-outside", lambda: check_general(pointing(7)), "not a valid csr")
wrong_call("general-without-a-diagonal", lambda: check_general(sp.csr_array([[0, 1], [1, 1]])),
           "stores no diagonal entry in row 0")  # fmt: skip
wrong_call(
    "general-duplicates-that-overflow",
    lambda: check_general(sp.csr_array(OVERFLOWING, shape=(1, 1))),
    "not finite",
)


def stored_lower(value):
    L = sp.csr_array(np.eye(3))
    L.data[1] = value
    return L


@ARGUMENTS.case
def b_zero_takes_no_step(bench):
    result = pcg(GOOD, np.zeros(3))
    assert (result.status, result.iterations, result.x.tolist()) == ("converged", 0, [0.0] * 3)


@ARGUMENTS.case
def no_step_allowed(bench):
    assert pcg(GOOD, ONES, maxiter=0).status == "iteration-limit"


@ARGUMENTS.case
def an_operator_of_nan(bench):
    M = sp.linalg.LinearOperator((3, 3), matvec=lambda r: r * np.nan, dtype=float)
    assert pcg(GOOD, ONES, M=M).status == "stagnated"


# -- predictions --


@ARGUMENTS.case
def a_huge_prediction_is_its_multiple_near_one(bench):
    huge, ones = (evaluate(One(), {"one": np.full(5, size)}).rows[0] for size in (2.0**1023, 1.0))
    assert (huge.status, huge.iterations) == (ones.status, ones.iterations)


class One:
    """A dataset of one matrix."""

    def __len__(self):
        return 1

    def pair(self, index):
        A = check_spd_candidate(GOOD)
        return Pair("one", A, ic0(A))


BADLY_SCALED = np.diag([1e-120, 1, 1e120]) @ GOOD @ np.diag([1e-120, 1, 1e120])


@ARGUMENTS.case
def badly_scaled_is_no_obstacle_to_the_protocol(bench):
    class Scaled(One):
        def pair(self, index):
            return Pair("one", check_spd_candidate(BADLY_SCALED), ic0(BADLY_SCALED))

    (row,) = evaluate(Scaled(), invk).rows
    assert (row.status, row.iterations) == ("converged", 1)


def prediction(name, given, fragment):
    ARGUMENTS.add(name, lambda bench: bench.refused(
        PredictionError, fragment, lambda: evaluate(One(), given)))  # fmt: skip


def failure(name, given, fragment):
    def run(bench):
        (row,) = evaluate(One(), given).rows
        assert row.status in ("invalid", "stagnated"), row
        assert fragment in row.reason, row

    ARGUMENTS.add(name, run)


prediction("prediction-too-short", {"one": np.ones(4)}, "4 values, the pattern has 5")
prediction("prediction-for-none", {}, "lack 1 of 1")
prediction("prediction-for-others", {"one": ONES, "two": ONES}, "does not have, first 'two'")
prediction("prediction-list-too-long", [ONES, ONES], "2 predictions for 1")
prediction("prediction-text", "values", "are a str")
prediction("prediction-number", 3, "are a int")
prediction("prediction-complex", {"one": np.ones(5) * 1j}, "values of type complex")
prediction("prediction-of-text", {"one": ["a"] * 5}, "values of type")
prediction("prediction-ragged", {"one": [[1.0], [1.0, 2.0]]}, "cannot be read as an array")
prediction("prediction-of-another-shape", {"one": np.ones((4, 4))}, "shape")
prediction("prediction-that-points-outside", {"one": pointing(7)}, "not a valid csr")
failure("prediction-none", {"one": None}, "no prediction")
failure("prediction-of-nan", {"one": np.full(5, np.nan)}, "finite")
failure("prediction-infinite", {"one": np.full(5, np.inf)}, "finite")
failure("prediction-zero", {"one": np.zeros(5)}, "diagonal")
failure("prediction-outside-the-pattern", {"one": np.tril(np.ones((3, 3)))}, "outside the pattern")
failure("prediction-upper", {"one": np.eye(3) + np.eye(3, k=1)}, "outside the pattern")
failure("function-breaks-down", lambda A: ic0(np.ones((2, 2))), "BreakdownError")
failure("function-divides-by-zero", lambda A: 1 / 0, "ZeroDivisionError")
failure("function-gives-nothing", lambda A: None, "no prediction")

# -- the command --


def factored(name, matrix, code, fragment):
    def run(bench):
        A = sp.coo_array(matrix)
        path = bench.folder / "A.npz"
        sp.save_npz(path, A)
        out = bench.folder / "L.npz"
        bench.command("factor", path, "--out", out, code=code, fragment=fragment)
        assert out.exists() == (code == 0)

    ARGUMENTS.add(f"command-{name}", run)


factored("one-by-one", [[4.0]], 0, "not compared: diagonal")
factored("dense", np.eye(4) + 1.0, 0, "wrote invk")
factored("indefinite", [[1.0, 2.0], [2.0, 1.0]], 1, "pivot that is not positive")
factored("not-square", np.ones((2, 3)), 2, "not square")
factored("not-finite", [[np.nan]], 2, "not finite")
factored("complex", [[1j]], 2, "complex")
factored("tiny", GOOD * 1e-300, 0, "wrote invk")
factored("huge", GOOD * 1e300, 0, "wrote invk")
factored("integers", (2 * np.eye(3, dtype=int)), 0, "not compared")


@ARGUMENTS.parametrised()
def test_arguments(bench, name):
    ARGUMENTS.run(bench, name)
