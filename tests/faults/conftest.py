"""The bench of every case, and kernels that are compiled before any case is timed."""

import numpy as np
import pytest
from harness import bench

__all__ = ["bench"]


@pytest.fixture(scope="session", autouse=True)
def _compiled():
    from precondbench import BreakdownError, ic0, invk, k_condition, pcg
    from precondbench.matrices import formula_matrix
    from precondbench.recipes import factor_matrix

    A = formula_matrix("HB/nos1")
    factor_matrix("HB/nos1", A)
    L = invk(A)
    pcg(A, np.ones(A.shape[0]), L)
    k_condition(A, L)
    for factor in (ic0, invk):
        try:
            factor(np.array([[1.0, 2.0], [2.0, 1.0]]))
        except BreakdownError:
            continue
