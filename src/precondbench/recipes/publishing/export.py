"""Records as files of other programs: Matrix Market, SciPy's npz, Binsparse."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scipy.sparse import csr_array

from precondbench._internal import replacing
from precondbench.errors import ConfigurationError
from precondbench.factors import LowerPattern
from precondbench.matrices import write_matrix
from precondbench.recipes.building.cached import open_split
from precondbench.recipes.spec import BuildContext, SplitPlan
from precondbench.shards import (
    A_UPPER,
    Record,
    both_triangles,
    new_file,
    upper_label,
)

# Format -> ending of its files.
FORMATS = {"mtx": ".mtx", "npz": ".npz", "binsparse": ".bsp.h5"}
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


@dataclass(frozen=True)
class Export:
    """What was written: folder of the split, files of all records in order.

    ``missing`` names factors that a record does not have, as ``name: label``.
    """

    folder: Path
    files: tuple[Path, ...]
    missing: tuple[str, ...]


def export_split(
    plan: SplitPlan,
    folder: str | Path,
    to: str,
    *,
    labels: Sequence[str] | None = None,
    context: BuildContext | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Export:
    """Write A and L of every record of a split, to the bit as they are in the shard.

    A record ``HB/nos1`` becomes ``HB/nos1.A.mtx`` (both triangles), ``HB/nos1.L_invk.mtx``, ...
    below ``folder/dataset/version/configuration/split``. Formats are ``mtx``, ``npz`` and
    ``binsparse``. ConfigurationError if the format or a label does not exist, or binsparse is not
    installed.

    >>> import tempfile
    >>> from precondbench.recipes import select_plans
    >>> (plan,) = select_plans("suitesparse-invk", "sample", "tril", "val")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export = export_split(plan, folder, "mtx", labels=["invk"])
    ...     [file.relative_to(export.folder).as_posix() for file in export.files][:2]
    ['HB/nos1.A.mtx', 'HB/nos1.L_invk.mtx']
    """
    if to not in FORMATS:
        raise ConfigurationError(f"no format {to!r}; there are: {', '.join(FORMATS)}")
    if to == "binsparse":
        _import_binsparse()
    shard = open_split(*plan.names, context=context)
    known = shard.factor_labels
    wanted = known if labels is None else list(dict.fromkeys(labels))
    for label in wanted:
        if label not in known:
            raise ConfigurationError(
                f"{plan.path_name} has no factor {label!r}; there are: {', '.join(known)}"
            )
    target = Path(folder).joinpath(*plan.names)
    files: list[Path] = []
    missing: list[str] = []
    for i in range(len(shard)):
        record = shard.record(i)
        for suffix, matrix in _matrices(record, wanted):
            if matrix is None:
                missing.append(f"{record.name}: {suffix}")
                continue
            path = target / f"{_relative(record.name)}.{suffix}{FORMATS[to]}"
            if to == "binsparse":
                write_binsparse(path, matrix)
            else:
                write_matrix(path, matrix)
            files.append(path)
        if progress is not None:
            progress(i + 1, len(shard), record.name)
    return Export(target, tuple(files), tuple(missing))


def write_binsparse(path: str | Path, matrix: csr_array) -> None:
    """Write a CSR matrix as a Binsparse file (HDF5, specification 0.1), whole or not at all.

    Both triangles of a symmetric matrix are written: the specification has a key for symmetric
    matrices, but the reference reader ignores it and would return half of the matrix.
    """
    CSRMatrix, Container = _import_binsparse()
    tensor = CSRMatrix(
        shape=matrix.shape,
        number_of_stored_values=int(matrix.nnz),
        pointers_to_1=matrix.indptr,
        indices_1=matrix.indices,
        values=matrix.data,
    )
    with replacing(Path(path)) as temporary, new_file(temporary) as file:
        tensor.serialize(Container(file))


def _import_binsparse() -> tuple[type, type]:
    try:
        from binsparse import CSRMatrix, HDF5BinsparseContainer
    except ImportError:
        raise ConfigurationError(
            "Binsparse files need the package binsparse: pip install 'precondbench[export]'"
        ) from None
    return CSRMatrix, HDF5BinsparseContainer


def _matrices(record: Record, labels: Sequence[str]) -> list[tuple[str, csr_array | None]]:
    """A and the factors by the middle part of their file's name; None for a missing factor."""
    pattern = LowerPattern(record.indptr, record.indices)
    upper = record.labels.get(A_UPPER)
    A = pattern.symmetric_csr(record.a)
    if upper is not None:
        A.data = both_triangles(pattern, record.a, upper)
    found: list[tuple[str, csr_array | None]] = [("A", A)]
    for label in labels:
        values = record.labels[label]
        if values is None:
            found.append((label, None))
            continue
        found.append((f"L_{label}", pattern.csr(values)))
        transposed = record.labels.get(upper_label(label)) if upper is not None else None
        if transposed is not None:
            found.append((f"U_{label}", csr_array(pattern.csr(transposed).T.tocsr())))
    return found


def _relative(name: str) -> str:
    """Path of a record; a name from a file must not lead out of the folder."""
    if not all(_PART.fullmatch(part) for part in name.split("/")):
        raise ConfigurationError(f"record {name!r} cannot be part of a file name")
    return name
