"""Fill-reducing elimination orders."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csgraph, csr_array
from scipy.sparse.linalg import spilu

from precondbench.errors import ConfigurationError


def minimum_degree(graph: csr_array) -> NDArray[np.int64]:
    """Multiple minimum degree order of a symmetric pattern, by SuperLU.

    Parameters
    ----------
    graph : scipy.sparse.csr_array
        Symmetric pattern; values are ignored, stored zeros count as entries.

    Returns
    -------
    numpy.ndarray
        int64 of shape (n,): position[i] is the step in which row i is eliminated.

    Notes
    -----
    SciPy does not expose the order alone. An incomplete factorisation that drops everything
    computes it on the way and costs little more; the values given to it are diagonally
    dominant, so that pivoting stays on the diagonal. The order is found by integer
    arithmetic only and does not depend on the machine.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.factors import minimum_degree
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> sorted(minimum_degree(tridiagonal_csr(poisson_1d(4))).tolist())
    [0, 1, 2, 3]
    """
    n = graph.shape[0]
    if n == 1:
        return np.zeros(1, dtype=np.int64)
    counts = np.diff(graph.indptr)
    rows = np.repeat(np.arange(n), counts)
    values = np.where(rows == graph.indices, np.repeat(counts, counts).astype(np.float64), -0.5)
    # Symmetric, so CSR arrays are CSC arrays of the same matrix; SuperLU wants 32-bit indices.
    dominant = csc_array(
        (values, graph.indices.astype(np.int32), graph.indptr.astype(np.int32)), shape=(n, n)
    )
    factor = spilu(
        dominant,
        permc_spec="MMD_AT_PLUS_A",
        drop_tol=1.0,
        fill_factor=1.0,
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    return np.asarray(factor.perm_c, dtype=np.int64)


def has_metis() -> bool:
    """Whether the optional package pymetis can be imported."""
    return find_spec("pymetis") is not None


def nested_dissection(graph: csr_array) -> NDArray[np.int64]:
    """Nested dissection order of a symmetric pattern, by METIS: the step of each row."""
    if not has_metis():
        raise ConfigurationError(
            "ordering 'metis' needs the package pymetis: pip install pymetis, or leave the "
            "ordering to the library"
        )
    import pymetis

    n = graph.shape[0]
    rows = np.repeat(np.arange(n), np.diff(graph.indptr))
    # METIS wants no loops, and its order of a graph without edges is of no use.
    off = rows != graph.indices
    if not off.any():
        return np.arange(n, dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows[off], minlength=n))])
    adjacency = pymetis.CSRAdjacency(starts.astype(np.int32), graph.indices[off].astype(np.int32))
    _, position = pymetis.nested_dissection(adjacency)
    return np.asarray(position, dtype=np.int64)


def reverse_cuthill_mckee(graph: csr_array) -> NDArray[np.int64]:
    """Reverse Cuthill-McKee order of a symmetric pattern, by SciPy: small bandwidth.

    Parameters
    ----------
    graph : scipy.sparse.csr_array
        Symmetric pattern; values are ignored, stored zeros count as entries.

    Returns
    -------
    numpy.ndarray
        int64 of shape (n,): position[i] is the new number of row i.

    Examples
    --------
    >>> from precondbench.factors import reverse_cuthill_mckee
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> reverse_cuthill_mckee(tridiagonal_csr(poisson_1d(4))).tolist()
    [3, 2, 1, 0]
    """
    ones = csr_array((np.ones(graph.nnz), graph.indices, graph.indptr), shape=graph.shape)
    order = csgraph.reverse_cuthill_mckee(ones, symmetric_mode=True)
    position = np.empty(graph.shape[0], dtype=np.int64)
    position[order] = np.arange(graph.shape[0])
    return position
