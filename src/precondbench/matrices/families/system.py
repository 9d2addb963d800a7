"""A linear system of a family, with what a solver would know about where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import scipy
from numpy.typing import NDArray

from precondbench.errors import MatrixError

NearNullSpace = Literal["constant", "rigid", "none"]
_KINDS = ("constant", "rigid", "none")


@dataclass(frozen=True, eq=False)
class DiscreteSystem:
    """The matrix of a discretised problem, and its geometry.

    Unknown u of node i is row ``i * unknowns + u`` of the matrix.

    Parameters
    ----------
    A : scipy.sparse.csr_array
        Symmetric positive definite, float64, shape (nodes * unknowns,) * 2, columns sorted.
    coordinates : numpy.ndarray, optional
        Of the nodes, float64 of shape (nodes, dimensions).
    coefficients : numpy.ndarray, optional
        Of the equation at the nodes, float64 of shape (nodes, number of coefficients).
    unknowns : int
        Unknowns per node.
    near_null_space : {"constant", "rigid", "none"}
        Vectors on which the operator without boundary conditions is zero: constants, or the
        rigid motions of elasticity, see :func:`near_null_vectors`.
    h : float, optional
        Mean distance of neighbouring nodes, in the unit of the coordinates.
    facts : mapping of str to int, float or str
        What else is known, such as the parameters that were drawn.

    Raises
    ------
    MatrixError
        If the parts do not fit together.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> from precondbench.matrices import DiscreteSystem
    >>> DiscreteSystem(csr_array([[2.0, -1.0], [-1.0, 2.0]]), coordinates=[[0.0], [1.0]]).nodes
    2
    """

    A: scipy.sparse.csr_array
    coordinates: NDArray[np.float64] | None = None
    coefficients: NDArray[np.float64] | None = None
    unknowns: int = 1
    near_null_space: NearNullSpace = "constant"
    h: float | None = None
    facts: Mapping[str, int | float | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = self.A.shape[0]
        if self.unknowns < 1 or n % self.unknowns:
            raise MatrixError(
                f"a matrix with {n} rows cannot have {self.unknowns} unknowns at each node; give a "
                "divisor of the number of rows"
            )
        if self.near_null_space not in _KINDS:
            raise MatrixError(
                f"near_null_space is {self.near_null_space!r}; use one of {', '.join(_KINDS)}"
            )
        for name in ("coordinates", "coefficients"):
            given = getattr(self, name)
            if given is None:
                continue
            values = np.ascontiguousarray(given, dtype=np.float64)
            if values.ndim != 2 or values.shape[0] != self.nodes:
                raise MatrixError(
                    f"{name} have shape {values.shape}; a matrix with {self.nodes} nodes needs "
                    f"({self.nodes}, k)"
                )
            if not np.all(np.isfinite(values)):
                raise MatrixError(f"{name} are not finite; give a number for each node")
            object.__setattr__(self, name, values)  # the dataclass is frozen
        if self.near_null_space == "rigid" and (
            self.coordinates is None or self.coordinates.shape[1] != self.unknowns
        ):
            raise MatrixError(
                "rigid motions need coordinates with as many dimensions as there are unknowns at "
                "a node"
            )

    @property
    def nodes(self) -> int:
        """Number of nodes."""
        return int(self.A.shape[0]) // self.unknowns


def near_null_vectors(
    kind: NearNullSpace,
    n: int,
    coordinates: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Vectors on which an operator without boundary conditions is zero.

    Parameters
    ----------
    kind : {"constant", "rigid", "none"}
        ``constant``: one vector of ones. ``rigid``: translations along each axis, then
        infinitesimal rotations about the origin, (-y, x) in the plane and (0, -z, y), (z, 0, -x),
        (-y, x, 0) in space. ``none``: no vector.
    n : int
        Rows of the matrix.
    coordinates : numpy.ndarray, optional
        Of the nodes, shape (nodes, dimensions); needed for rigid motions.

    Returns
    -------
    numpy.ndarray
        float64 of shape (n, number of vectors).

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.matrices import near_null_vectors
    >>> near_null_vectors("rigid", 4, np.array([[0.0, 0.0], [2.0, 1.0]]))
    array([[ 1.,  0., -0.],
           [ 0.,  1.,  0.],
           [ 1.,  0., -1.],
           [ 0.,  1.,  2.]])
    """
    if kind == "none":
        return np.empty((n, 0))
    if kind == "constant":
        return np.ones((n, 1))
    if coordinates is None:
        raise MatrixError("rigid motions need the coordinates of the nodes")
    dimensions = coordinates.shape[1]
    rotations = [(0, 1)] if dimensions == 2 else [(1, 2), (2, 0), (0, 1)]
    modes = np.zeros((coordinates.shape[0], dimensions, dimensions + len(rotations)))
    for axis in range(dimensions):
        modes[:, axis, axis] = 1.0
    for number, (first, second) in enumerate(rotations, start=dimensions):
        modes[:, first, number] = -coordinates[:, second]
        modes[:, second, number] = coordinates[:, first]
    return modes.reshape(n, -1)
