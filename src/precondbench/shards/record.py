"""One matrix, its labels on one pattern, and what is known about them.

The pattern is a lower triangle. Where the matrix is not symmetric, its upper triangle and the
factor U lie on the same pattern, transposed, as arrays with names of their own: ``a_upper``, and
``X_upper`` for each label ``X``, which itself is L. Files and digests see just more arrays.

A matrix may come with numbers for the nodes of a mesh, the geometry. It has a digest of its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from precondbench.errors import MatrixError, ShardError

if TYPE_CHECKING:
    from precondbench.factors import LowerPattern

UNKNOWNS, GEOMETRY_DIGEST = "unknowns", "geometry_digest"
_GEOMETRY_TAG = b"precondbench-geometry-1"
A_UPPER = "a_upper"
UPPER_SUFFIX = "_upper"
_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, eq=False)
class Record:
    """One lower-triangular pattern with the values of A and of each label on it.

    The pattern is CSR: columns ascend strictly, the diagonal is present and last in each row.
    Sequences are converted to the stated types where that loses nothing.

    Parameters
    ----------
    name : str
        Name of the matrix, unique in its split. Not empty, no NUL character.
    group : str
        Where the matrix comes from, such as a SuiteSparse group; may be empty.
    indptr : numpy.ndarray
        int64 of shape (n + 1,), zero first.
    indices : numpy.ndarray
        int32 of shape (nnz,), zero-based columns.
    a : numpy.ndarray
        float64 of shape (nnz,), the entries of tril(A); finite.
    labels : mapping of str to numpy.ndarray or None
        Values of each factor L on the pattern, finite; None where it does not exist (IC(0)
        broke down). Names are lower-case identifiers.
    facts : mapping of str to int, float or str
        What was found out about the record, such as iterations; not part of its digest.
    geometry : mapping of str to numpy.ndarray
        Numbers of the nodes, such as their coordinates, finite, float64 of shape (nodes, k). A
        node has as many rows of A as the fact ``unknowns`` says, by default 1. Not part of the
        record's digest: the fact ``geometry_digest`` is added (:func:`geometry_digest`).

    Raises
    ------
    MatrixError
        If the pattern or the values are not as stated.
    ShardError
        If a name, a label's name or a fact cannot be stored.

    Examples
    --------
    >>> from precondbench.shards import Record
    >>> record = Record(
    ...     "poisson", "demo", [0, 1, 3], [0, 0, 1], [4.0, 2.0, 5.0],
    ...     {"exact": [2.0, 1.0, 2.0], "ic0": None}, {"iterations": 1},
    ... )
    >>> record.n, record.nnz
    (2, 3)
    >>> Record("dense", "demo", [0, 2, 3], [0, 1, 1], [4.0, 2.0, 5.0])
    Traceback (most recent call last):
        ...
    precondbench.errors.MatrixError: record 'dense': row 0 reaches column 1, above the diagonal; \
store the lower triangle only
    """

    name: str
    group: str
    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    a: NDArray[np.float64]
    labels: Mapping[str, NDArray[np.float64] | None] = field(default_factory=dict)
    facts: Mapping[str, int | float | str] = field(default_factory=dict)
    geometry: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_text(self.name, "a record's name")
        if not self.name:
            raise ShardError("a record has an empty name; give each matrix a name of its own")
        where = f"record {self.name!r}"
        check_text(self.group, f"{where}: its group")
        put = object.__setattr__  # the dataclass is frozen; this is still construction
        put(self, "indptr", _array(self.indptr, np.int64, f"{where}: indptr"))
        put(self, "indices", _array(self.indices, np.int32, f"{where}: indices"))
        self._check_pattern(where)
        put(self, "a", self._values(self.a, f"{where}: a"))
        labels = {}
        for label, values in self.labels.items():
            check_identifier(label, f"{where}: label")
            missing = values is None
            labels[label] = None if missing else self._values(values, f"{where}: label {label!r}")
        put(self, "labels", labels)
        put(self, "facts", {k: _fact(k, v, where) for k, v in self.facts.items()})
        if self.geometry:
            put(self, "geometry", self._geometry(where))
            put(self, "facts", {**self.facts, GEOMETRY_DIGEST: geometry_digest(self.geometry)})

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.indptr.size) - 1

    @property
    def unknowns(self) -> int:
        """Rows of A for each node."""
        return int(self.facts.get(UNKNOWNS, 1))

    @property
    def nnz(self) -> int:
        """Number of stored entries of the lower triangle, diagonal included."""
        return int(self.indices.size)

    def _check_pattern(self, where: str) -> None:
        if self.indptr.size < 2:
            raise MatrixError(f"{where}: indptr has {self.indptr.size} entries; it needs n + 1")
        if self.indptr[0] != 0 or self.indptr[-1] != self.nnz:
            raise MatrixError(
                f"{where}: indptr runs from {self.indptr[0]} to {self.indptr[-1]}; it must run "
                f"from 0 to the number of indices, {self.nnz}"
            )
        fault = pattern_fault(
            self.indptr[:-1], self.indptr[1:], np.arange(self.n, dtype=np.int64), self.indices
        )
        if fault is not None:
            raise MatrixError(f"{where}: row {fault[0]} {fault[1]}")

    def _geometry(self, where: str) -> dict[str, NDArray[np.float64]]:
        nodes, rest = divmod(self.n, self.unknowns) if self.unknowns > 0 else (0, 1)
        if rest:
            raise ShardError(
                f"{where}: {self.n} rows do not belong to nodes with {self.unknowns} unknowns each"
            )
        geometry = {}
        for name, given in self.geometry.items():
            check_identifier(name, f"{where}: geometry")
            values = np.ascontiguousarray(given, dtype=np.float64)
            if values.ndim != 2 or values.shape[0] != nodes or not values.shape[1]:
                raise ShardError(
                    f"{where}: {name} has shape {values.shape}; it needs one row for each of the "
                    f"{nodes} nodes"
                )
            if not np.all(np.isfinite(values)):
                raise ShardError(f"{where}: {name} is not finite; give a number for each node")
            geometry[name] = values
        return geometry

    def _values(self, values: Any, what: str) -> NDArray[np.float64]:
        array: NDArray[np.float64] = _array(values, np.float64, what)
        if array.size != self.nnz:
            raise MatrixError(f"{what} has {array.size} values for {self.nnz} pattern entries")
        bad = np.flatnonzero(~np.isfinite(array))
        if bad.size:
            raise MatrixError(
                f"{what} is not finite at entry {bad[0]} ({array[bad[0]]}, {bad.size} such "
                "entries); pass None for a label that does not exist"
            )
        return array


def geometry_digest(geometry: Mapping[str, NDArray[np.float64]]) -> str:
    """Sha256 of the numbers of a record's nodes.

    Hashed are, each preceded by its length in bytes as an unsigned little-endian 64-bit integer:
    the tag ``precondbench-geometry-1``; then for each array in ascending order of its name the
    name in UTF-8, the number of columns as int64, and the values as float64, row by row. All
    numbers are little-endian.

    Parameters
    ----------
    geometry : mapping of str to numpy.ndarray
        float64 of shape (nodes, k).

    Returns
    -------
    str
        64 lower-case hexadecimal digits.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.shards import geometry_digest
    >>> geometry_digest({"coordinates": np.array([[0.0], [1.0]])})[:16]
    '14f4ba2887b04ab7'
    """
    parts = [_GEOMETRY_TAG]
    for name in sorted(geometry):
        values = geometry[name]
        parts += [name.encode("utf-8"), values.shape[1].to_bytes(8, "little")]
        parts.append(values.astype("<f8", copy=False).tobytes())
    sized = (len(part).to_bytes(8, "little") + part for part in parts)
    return hashlib.sha256(b"".join(sized)).hexdigest()


def pattern_fault(
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    rows: NDArray[np.int64],
    indices: NDArray[np.int32],
) -> tuple[int, str] | None:
    """Find the first row that is not sorted, lower triangular and closed by its diagonal.

    Row k owns ``indices[starts[k]:ends[k]]`` and has number ``rows[k]`` in its matrix; rows lie end
    to end. They may belong to many matrices, so that a shard is checked without a loop over
    records. Returns the position k and what is wrong, or None.

    >>> pattern_fault(np.array([0, 1]), np.array([1, 2]), np.array([0, 1]), np.array([0, 0]))
    (1, 'lacks its diagonal entry; a factor needs every one')
    """
    empty = np.flatnonzero(ends <= starts)
    if empty.size:
        return int(empty[0]), "has no entries; every row needs at least its diagonal"
    # A step between two rows may go down, every other step must go up.
    descends = indices[1:] <= indices[:-1]
    descends[ends[:-1] - 1] = False
    bad_steps = np.flatnonzero(descends)
    last = indices[ends - 1]
    faults = []
    if bad_steps.size:
        row = int(np.searchsorted(ends, bad_steps[0], side="right"))
        faults.append((row, "has columns that do not ascend; sort them and sum duplicates"))
    for bad, what in (
        (indices[starts] < 0, "has a negative column; columns count from zero"),
        (last > rows, "reaches column {}, above the diagonal; store the lower triangle only"),
        (last < rows, "lacks its diagonal entry; a factor needs every one"),
    ):
        found = np.flatnonzero(bad)
        if found.size:
            faults.append((int(found[0]), what.format(last[found[0]])))
    return min(faults, key=lambda fault: fault[0]) if faults else None


def check_identifier(name: Any, what: str) -> None:
    """Raise ShardError unless the name of a label or fact can be the name of a column."""
    if not isinstance(name, str) or _IDENTIFIER.fullmatch(name) is None:
        raise ShardError(
            f"{what} {name!r} cannot be the name of a column; use lower-case letters, digits "
            "and underscores, a letter first"
        )


def _array(values: Any, dtype: type[np.generic], what: str) -> NDArray[Any]:
    array = np.asarray(values)
    wanted = np.dtype(dtype)
    if array.ndim != 1:
        raise MatrixError(f"{what} has {array.ndim} dimensions; it must be a vector")
    lossless = np.can_cast(array.dtype, wanted, "safe")
    if not lossless and array.dtype.kind in "iu" and wanted.kind == "i":
        limits = np.iinfo(wanted)
        lossless = not array.size or bool(array.min() >= limits.min and array.max() <= limits.max)
    if not lossless:
        raise MatrixError(f"{what} holds {array.dtype}, which does not fit into {wanted}")
    return np.ascontiguousarray(array, dtype=wanted)


def check_text(text: Any, what: str) -> None:
    """Raise ShardError unless this is text that every HDF5 reader gets back unchanged."""
    if not isinstance(text, str):
        raise ShardError(f"{what} is {text!r}; it must be a string")
    if "\0" in text:
        raise ShardError(f"{what} is {text!r}; NUL characters cannot be stored")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ShardError(f"{what} is {text!r}, which is not valid Unicode text") from None


def _fact(key: str, value: Any, where: str) -> int | float | str:
    check_identifier(key, f"{where}: fact")
    what = f"{where}: fact {key!r}"
    if isinstance(value, str):
        check_text(value, what)
        return str(value)
    if isinstance(value, (bool, int, np.bool_, np.integer)):
        number = int(value)
        if not -(2**63) <= number < 2**63:
            raise ShardError(f"{what} is {number}, which does not fit into 64 bits")
        return number
    if isinstance(value, (float, np.floating)):
        return float(value)
    raise ShardError(f"{what} is {value!r}; facts are int, float or str")


def upper_label(label: str) -> str:
    """Name of the array that holds U, transposed, where ``label`` holds L."""
    return f"{label}{UPPER_SUFFIX}"


def both_triangles(
    pattern: LowerPattern, lower: NDArray[np.float64], upper: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values on the whole pattern in CSR order, of a lower triangle and a transposed upper one.

    The diagonal is taken from ``upper``: of L and U it belongs to U. ``lower``, ``upper`` have
    shape (nnz,), the result (2 nnz - n,).

    >>> from precondbench.factors import lower_pattern
    >>> pattern = lower_pattern(np.tril(np.ones((2, 2))))
    >>> both_triangles(pattern, np.array([1.0, 3.0, 1.0]), np.array([5.0, 6.0, 7.0]))
    array([5., 6., 3., 7.])
    """
    _, _, position, in_lower = pattern.symmetric()
    strict = np.ones(pattern.nnz, dtype=bool)
    strict[pattern.indptr[1:] - 1] = False
    values: NDArray[np.float64] = np.where(
        in_lower & strict[position], lower[position], upper[position]
    )
    return values
