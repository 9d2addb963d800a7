"""Predictions in a file: one safetensors tensor a seed, values on the published pattern."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from precondbench._internal import loads, replacing
from precondbench.errors import PredictionError, ShardError
from precondbench.shards.hdf5 import member, read_attribute, read_column, text_attribute
from precondbench.shards.shard import Shard

FORMAT_NAME = "precondbench-predictions"
# Version 1 is HDF5, which is still read.
FORMAT_VERSION = 2
MOST_SEEDS = 100
# 1 GiB of float64: ten times the entries of the largest split.
MOST_ENTRIES = 2**27
# A seed takes about 100 bytes of the header, the names of method and split far less than the rest.
_LONGEST_HEADER = 2**16
# One key: safetensors keeps metadata in a hash map, whose order differs from run to run.
_METADATA_KEY = "precondbench"
_SEED = re.compile(r"seed_(0|[1-9][0-9]{0,8})")
_TYPES = {"F32": np.float32, "F64": np.float64}


@dataclass(frozen=True)
class PredictionFile:
    """Predictions of one method on one split.

    Attributes
    ----------
    method : str
        Name of the method.
    dataset, version, configuration, split, content_digest : str
        The split they are for.
    label : str
        What was to be predicted: ``modified``, ``literal``, ``best``, ``invk`` or ``ic0``.
    seeds : dict of int to numpy.ndarray
        Float32 or float64 values on the patterns of all records, in the shard's order; NaN
        throughout a record means that there is no prediction.
    """

    method: str
    dataset: str
    version: str
    configuration: str
    split: str
    content_digest: str
    label: str
    seeds: dict[int, NDArray[np.floating[Any]]]

    @property
    def where(self) -> str:
        """``dataset/version/configuration/split``."""
        return f"{self.dataset}/{self.version}/{self.configuration}/{self.split}"

    def by_name(self, seed: int, shard: Shard) -> dict[str, NDArray[np.float64] | None]:
        """Values of one seed as a mapping for :func:`~precondbench.quality.evaluate`.

        Raises
        ------
        PredictionError
            If the file is for another split or content, or has another number of values.
        """
        header = shard.header
        ours = (header.dataset, header.version, header.configuration, header.split)
        theirs = (self.dataset, self.version, self.configuration, self.split)
        if theirs != ours or self.content_digest != shard.content_digest:
            raise PredictionError(
                f"predictions are for {'/'.join(theirs)} with digest {self.content_digest[:12]}, "
                f"the data is {'/'.join(ours)} with digest {shard.content_digest[:12]}"
            )
        if seed not in self.seeds:
            raise PredictionError(f"there is no seed {seed}; there are {sorted(self.seeds)}")
        values = self.seeds[seed]
        offsets = shard.prediction_offsets
        if values.size != offsets[-1]:
            raise PredictionError(
                f"seed {seed} has {values.size} values, the split has {offsets[-1]}"
            )
        pieces = np.split(values.astype(np.float64), offsets[1:-1])
        return {
            name: None if np.all(np.isnan(piece)) else piece
            for name, piece in zip(shard.names, pieces, strict=True)
        }


_IDENTITY = tuple(item.name for item in fields(PredictionFile) if item.name != "seeds")


def find_predictions(path: Path) -> Path:
    """Return the path, or that with ``.h5`` if there is only a file of an older version."""
    old = path.with_suffix(".h5")
    return old if os.path.lexists(old) and not os.path.lexists(path) else path


def write_predictions(
    path: str | Path,
    method: str,
    shard: Shard,
    label: str,
    seeds: Mapping[int, Mapping[str, NDArray[np.floating[Any]] | None]],
) -> None:
    """Write predictions for all records of a shard; the file appears whole or not at all.

    Parameters
    ----------
    path : path-like
        The file, by convention ``.safetensors``.
    method : str
        Name of the method.
    shard : Shard
        The split predicted.
    label : str
        Name of the label predicted.
    seeds : mapping of int to mapping
        seed -> name -> values in the record's order. A record that is not named, or whose
        value is None, has no prediction.

    Raises
    ------
    PredictionError
        If a name is unknown or a length is wrong.

    Examples
    --------
    >>> import tempfile
    >>> from precondbench import SyntheticTridiag
    >>> from precondbench.shards import read_predictions, write_predictions
    >>> test = SyntheticTridiag.generate(n=10, count=2)
    >>> exact = {name: test.pair(i).L.data for i, name in enumerate(test.names)}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/mine.safetensors"
    ...     write_predictions(path, "exact", test.shard, "modified", {0: exact})
    ...     found = read_predictions(path)
    >>> found.method, found.where, found.seeds[0].size
    ('exact', 'synthetic-tridiag/generated/growth-6/all', 38)
    """
    columns: dict[str, NDArray[np.floating[Any]]] = {}
    lengths = np.diff(shard.prediction_offsets)
    for seed, predictions in seeds.items():
        unknown = sorted(set(predictions) - set(shard.names))
        if unknown:
            raise PredictionError(f"seed {seed} predicts {unknown[0]!r}, which the split lacks")
        pieces = []
        for name, length in zip(shard.names, lengths, strict=True):
            values = predictions.get(name)
            piece = np.full(length, np.nan) if values is None else np.asarray(values)
            if piece.shape != (length,):
                raise PredictionError(
                    f"{name}: {piece.size} values, the pattern has {length} entries"
                )
            pieces.append(piece)
        column = np.concatenate(pieces)
        kind = np.float32 if column.dtype == np.float32 else np.float64
        columns[f"seed_{seed}"] = column.astype(kind, copy=False)
    header = shard.header
    description = {
        "format": FORMAT_NAME,
        "format_version": FORMAT_VERSION,
        "method": method,
        "dataset": header.dataset,
        "version": header.version,
        "configuration": header.configuration,
        "split": header.split,
        "content_digest": shard.content_digest,
        "label": label,
    }
    data = safetensors.numpy.save(columns, {_METADATA_KEY: json.dumps(description, sort_keys=True)})
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(data)


def read_predictions(path: str | Path, entries: int | None = None) -> PredictionFile:
    """Read predictions; nothing in the file is executed or followed.

    Parameters
    ----------
    path : path-like
        The file: safetensors, or HDF5 as older versions wrote it.
    entries : int, optional
        How many values each seed must have; checked before any is read.

    Returns
    -------
    PredictionFile
        What the file says and holds.

    Raises
    ------
    PredictionError
        If it is no such file, or holds anything but vectors of float32 or float64 named
        ``seed_<number>``, too many of them, or more values than fit a split.
    """
    path = Path(path)
    if not path.is_file():
        raise PredictionError(f"there is no file {path}")
    try:
        read = _read_hdf5 if h5py.is_hdf5(path) else _read_safetensors
        return read(path, entries)
    except ShardError as error:
        raise PredictionError(f"{path}: {error}") from None
    except PredictionError:
        raise
    except (
        OSError, RuntimeError, KeyError, TypeError, ValueError, safetensors.SafetensorError,
    ) as error:  # fmt: skip
        raise PredictionError(
            f"{path} cannot be read as a file of predictions: {error}; make it again"
        ) from None


def _read_safetensors(path: Path, entries: int | None) -> PredictionFile:
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    # safetensors itself reads headers of up to 100 MB.
    if length > _LONGEST_HEADER:
        raise PredictionError(
            f"{path} is not a file of predictions: as safetensors it would have a header of "
            f"{length} bytes, more than {_LONGEST_HEADER}"
        )
    with safetensors.safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
        description = loads(metadata.get(_METADATA_KEY, "{}"))
        if not isinstance(description, dict):
            raise PredictionError(f"{path} is not a file of predictions")
        _check_format(path, description.get, FORMAT_VERSION)
        names = _names(path, file.keys())
        for name in names:
            part = file.get_slice(name)
            shape, kind = part.get_shape(), part.get_dtype()
            if len(shape) != 1:
                raise PredictionError(f"{path}: {name} has shape {tuple(shape)}; use a vector")
            if kind not in _TYPES:
                raise PredictionError(f"{path}: {name} has type {kind}, not float32 or float64")
            _check_size(path, name, shape[0], entries)
        identity = {key: _text(path, key, description.get(key)) for key in _IDENTITY}
        seeds = {seed: file.get_tensor(name) for name, seed in names.items()}
    return PredictionFile(seeds=seeds, **identity)


def _read_hdf5(path: Path, entries: int | None) -> PredictionFile:
    with h5py.File(path, "r", locking="best-effort") as file:
        _check_format(path, lambda key: read_attribute(file, key), 1)
        identity = {key: text_attribute(file, key) for key in _IDENTITY}
        seeds = {}
        for name, seed in _names(path, file).items():
            dataset = member(file, name, h5py.Dataset)
            _check_size(path, name, dataset.size, entries)
            values = read_column(dataset)
            if isinstance(values, list) or values.dtype not in (np.float32, np.float64):
                raise PredictionError(f"{path}: {name} is not float32 or float64")
            seeds[seed] = values
    return PredictionFile(seeds=seeds, **identity)


def _check_format(path: Path, get: Callable[[str], Any], newest: int) -> None:
    if get("format") != FORMAT_NAME:
        raise PredictionError(f"{path} is not a file of predictions")
    version = get("format_version")
    if not isinstance(version, (int, np.integer)) or version != newest:
        raise PredictionError(
            f"{path} has format version {version}; this library reads {newest} here, and up to "
            f"{FORMAT_VERSION}"
        )


def _text(path: Path, key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise PredictionError(f"{path}: {key!r} is {value!r}; it must be text")
    return value


def _names(path: Path, found: Any) -> dict[str, int]:
    """Seeds by the names of their tensors."""
    names = list(found)
    if not names:
        raise PredictionError(f"{path} holds no predictions")
    if len(names) > MOST_SEEDS:
        raise PredictionError(f"{path} holds {len(names)} seeds; at most {MOST_SEEDS} are read")
    seeds = {}
    for name in names:
        match = _SEED.fullmatch(name)
        if match is None:
            raise PredictionError(f"{path} holds {name!r}; only seed_<number> is expected")
        seeds[name] = int(match[1])
    return seeds


def _check_size(path: Path, name: str, size: int | None, entries: int | None) -> None:
    most = MOST_ENTRIES if entries is None else entries
    if size is None or size > most or entries not in (None, size):
        raise PredictionError(
            f"{path}: {name} has {size} values, "
            + (f"at most {most} are read" if entries is None else f"the split has {entries}")
        )
