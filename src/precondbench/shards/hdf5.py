"""HDF5 without trust: attributes, members and columns that cannot crash, run or point elsewhere."""

from __future__ import annotations

import math
import uuid
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lazy_loader
import numpy as np
from numpy.typing import NDArray

from precondbench.errors import ShardError

if TYPE_CHECKING:
    import h5py
else:  # A look at what is in the cache opens no file.
    h5py = lazy_loader.load("h5py")

# deflate cannot shrink more than this; a file that claims to is damaged or made to fill memory.
_DEFLATE_LIMIT = 1032
# A chunk is read whole, however little of it is used.
_LARGEST_CHUNK = 2**24
# Of what is written: entries, level of deflate, and how far that must shrink a column.
_CHUNK, _LEVEL, _WORTH_IT = 65536, 4, 0.8


@contextmanager
def new_file(path: Path, **options: Any) -> Iterator[Any]:
    """Yield an HDF5 file in memory, whose bytes are written to ``path`` when the block ends well.

    HDF5 itself may crash where a disk is full; writing bytes gives an OSError.
    """
    # The name is that of nothing: it must only be none that is open.
    with h5py.File(
        f"memory-{uuid.uuid4().hex}", "w", driver="core", backing_store=False, **options
    ) as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    path.write_bytes(image)


def write_attributes(file: Any, attributes: Mapping[str, str | int]) -> None:
    """Write root attributes, sorted: text of fixed width, numbers as int64.

    HDF5 may crash on damaged text of variable length.
    """
    for key, value in sorted(attributes.items()):
        if isinstance(value, int):
            file.attrs.create(key, value, dtype="<i8")
        else:
            data = value.encode("utf-8")
            file.attrs.create(key, np.bytes_(data), dtype=h5py.string_dtype("utf-8", len(data)))


def write_column(file: Any, name: str, values: NDArray[Any]) -> None:
    """Write a vector, with a checksum of each chunk."""
    if values.dtype.kind == "S":  # NumPy has no UTF-8 type, h5py marks one
        stored = h5py.string_dtype("utf-8", values.dtype.itemsize)
    else:
        stored = values.dtype.newbyteorder("<")
    file.create_dataset(
        name,
        data=values.astype(stored),
        chunks=(min(values.size, _CHUNK),),
        fletcher32=True,
        track_times=False,  # bytes repeat
        **_compression(values),
    )


def _compression(values: NDArray[Any]) -> dict[str, Any]:
    """Filters of a column: none where they would only cost time on reading.

    The mantissas of generated values are random; deflate takes a tenth off them and several
    times as long to read. The first chunk decides, so that equal records give equal bytes.
    """
    sample = np.ascontiguousarray(values[:_CHUNK])
    size = sample.dtype.itemsize
    shuffled = sample.view(np.uint8).reshape(-1, size).T.tobytes()
    if len(zlib.compress(shuffled, _LEVEL)) > _WORTH_IT * len(shuffled):
        return {}
    return {"compression": "gzip", "compression_opts": _LEVEL, "shuffle": True}


def read_attribute(file: Any, key: str) -> Any:
    """Read a root attribute: str, integer, or None if there is none; ShardError for other types."""
    if key not in file.attrs:
        return None
    # Look before reading: HDF5 may crash on damaged text of variable length.
    dtype = file.attrs.get_id(key).dtype
    if dtype.kind not in "Siu":
        raise ShardError(f"root attribute {key!r} has type {dtype}; use fixed-width text")
    value = file.attrs[key]
    return value.decode("utf-8") if isinstance(value, bytes) else value


def text_attribute(file: Any, key: str) -> str:
    """Read a root attribute that must be there and be text."""
    value = read_attribute(file, key)
    if not isinstance(value, str):
        raise ShardError(f"root attribute {key!r} is {value!r}; it must be fixed-width text")
    return value


def member(parent: Any, name: str, kind: type) -> Any:
    """Return a group or dataset below ``parent`` that lies in the file itself."""
    where = f"{parent.name.rstrip('/')}/{name}"
    link = parent.get(name, getlink=True)
    if link is None:
        raise ShardError(f"{where} is missing; fetch or build the file again")
    if not isinstance(link, h5py.HardLink):
        raise ShardError(
            f"{where} is a link ({type(link).__name__}); links are not allowed; do not use it"
        )
    found = parent[name]
    if not isinstance(found, kind):
        raise ShardError(f"{where} is not an HDF5 {kind.__name__.lower()}")
    return found


def read_column(dataset: Any) -> NDArray[Any] | list[str]:
    """Read a whole vector after checking that its type, filters and size are allowed."""
    where = dataset.name
    if dataset.shape is None or len(dataset.shape) != 1:
        raise ShardError(f"{where} has shape {dataset.shape}; every array is a vector")
    if dataset.is_virtual or dataset.external:
        raise ShardError(f"{where} keeps its data in other files; do not use it")
    plan = dataset.id.get_create_plist()
    filters = {plan.get_filter(k)[0] for k in range(plan.get_nfilters())}
    allowed = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
    if filters - allowed:
        raise ShardError(
            f"{where} uses HDF5 filters {sorted(filters - allowed)}; only deflate, shuffle and "
            "fletcher32 are allowed: repack the file with h5repack"
        )
    chunk = math.prod(dataset.chunks or (0,)) * dataset.dtype.itemsize
    if chunk > max(dataset.nbytes, _LARGEST_CHUNK):
        raise ShardError(
            f"{where} has chunks of {chunk} bytes, more than it holds itself; it is damaged, or "
            "made to fill memory"
        )
    if dataset.nbytes > _DEFLATE_LIMIT * dataset.id.get_storage_size():
        raise ShardError(f"{where} claims more data than is stored; fetch or build the file again")
    text = h5py.check_string_dtype(dataset.dtype)
    if text is not None and text.length is not None:
        return [value.decode("utf-8") for value in dataset[...].tolist()]
    if dataset.dtype not in [np.dtype(kind) for kind in ("<i8", "<i4", "<f8", "<f4", "u1")]:
        raise ShardError(
            f"{where} has type {dataset.dtype}; allowed are int64, int32, uint8, float64 and "
            "float32 (little-endian) and fixed-width text"
        )
    values: NDArray[Any] = dataset[...]
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def damaged_entries(dataset: Any) -> tuple[int, int]:
    """Start and end of the first chunk of a vector that cannot be read; (0, size) if all can."""
    size = int(dataset.size)
    step = math.prod(dataset.chunks or (size,))
    for start in range(0, size, step):
        try:
            dataset[start : start + step]
        except OSError:
            return start, min(start + step, size)
    return 0, size
