"""Content digest of a matrix: its identity, whatever file it came from."""

from __future__ import annotations

import hashlib

import numpy as np
from scipy.sparse import csr_array

__all__ = ["matrix_digest"]


def matrix_digest(matrix: csr_array) -> str:
    """Sha256 of a checked symmetric matrix.

    The hash is over n, row pointers and column indices (int64) and values (float64) of the
    full matrix in sorted CSR, all little-endian.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        Result of :func:`precondbench.matrices.check_spd_candidate`.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> from precondbench.matrices import check_spd_candidate, matrix_digest
    >>> matrix_digest(check_spd_candidate([[1.0]]))[:16]
    'f92de3a13718520a'
    """
    digest = hashlib.sha256()
    digest.update(np.int64(matrix.shape[0]).astype("<i8").tobytes())
    for part in (matrix.indptr, matrix.indices):
        digest.update(np.ascontiguousarray(part, dtype="<i8").tobytes())
    digest.update(np.ascontiguousarray(matrix.data, dtype="<f8").tobytes())
    return digest.hexdigest()
