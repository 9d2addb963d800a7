"""Classical preconditioners of non-symmetric matrices, as functions A -> (L, U), or values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array

from precondbench.matrices import check_general
from precondbench.quality import window_values


def identity_lu(A: csr_array) -> tuple[csr_array, csr_array]:
    """No preconditioner."""
    eye = csr_array(eye_array(A.shape[0], format="csr"))
    return eye, eye


def khop_lu(A: csr_array, hops: int) -> NDArray[np.float64]:
    """k-hop oracle of a tridiagonal matrix: L and U stored together."""
    return window_values(check_general(A), hops, symmetric=False)


def symmetric_gauss_seidel_lu(A: csr_array) -> NDArray[np.float64]:
    """I + E D^-1 and D + F, stored together, with A = E + D + F: on tridiagonals the 0-hop rule."""
    return khop_lu(A, 0)
