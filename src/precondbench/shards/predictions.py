"""Predictions in a file: HDF5, one dataset a seed, values on the published pattern."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from precondbench._internal import replacing
from precondbench.errors import PredictionError, ShardError
from precondbench.shards.hdf5 import (
    member,
    new_file,
    read_attribute,
    read_column,
    text_attribute,
    write_attributes,
)
from precondbench.shards.nonsymmetric import prediction_offsets
from precondbench.shards.shard import Shard

FORMAT_NAME = "precondbench-predictions"
FORMAT_VERSION = 1
MOST_SEEDS = 100
# 1 GiB of float64: ten times the entries of the largest split.
MOST_ENTRIES = 2**27
_SEED = re.compile(r"seed_(0|[1-9][0-9]{0,8})")
_IDENTITY = (
    "dataset",
    "version",
    "configuration",
    "split",
    "content_digest",
    "label",
    "method",
)


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
        throughout a record is no prediction.
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
        offsets = prediction_offsets(shard)
        if values.size != offsets[-1]:
            raise PredictionError(
                f"seed {seed} has {values.size} values, the split has {offsets[-1]}"
            )
        pieces = np.split(values.astype(np.float64), offsets[1:-1])
        return {
            name: None if np.all(np.isnan(piece)) else piece
            for name, piece in zip(shard.names, pieces, strict=True)
        }


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
        The file, ``.h5``.
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
    """
    columns: dict[int, NDArray[np.floating[Any]]] = {}
    lengths = np.diff(prediction_offsets(shard))
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
        columns[seed] = np.concatenate(pieces)
    header = shard.header
    with replacing(Path(path)) as temporary, new_file(temporary) as file:
        write_attributes(
            file,
            {
                "format": FORMAT_NAME,
                "format_version": FORMAT_VERSION,
                "method": method,
                "dataset": header.dataset,
                "version": header.version,
                "configuration": header.configuration,
                "split": header.split,
                "content_digest": shard.content_digest,
                "label": label,
            },
        )
        for seed, values in columns.items():
            file.create_dataset(
                f"seed_{seed}",
                data=values,
                compression="gzip",
                shuffle=True,
                fletcher32=True,
                track_times=False,
            )


def read_predictions(path: str | Path, entries: int | None = None) -> PredictionFile:
    """Read predictions; nothing in the file is executed or followed.

    Parameters
    ----------
    path : path-like
        The file.
    entries : int, optional
        How many values each seed must have; checked before any is read.

    Returns
    -------
    PredictionFile
        What the file says and holds.

    Raises
    ------
    PredictionError
        If it is no such file, or holds anything but one-dimensional float datasets named
        ``seed_<number>``, too many of them, or more values than fit a split.
    """
    path = Path(path)
    if not path.is_file():
        raise PredictionError(f"there is no file {path}")
    try:
        with h5py.File(path, "r", locking="best-effort") as file:
            if read_attribute(file, "format") != FORMAT_NAME:
                raise PredictionError(f"{path} is not a file of predictions")
            version = read_attribute(file, "format_version")
            if not isinstance(version, np.integer) or version != FORMAT_VERSION:
                raise PredictionError(
                    f"{path} has format version {version}; this library reads {FORMAT_VERSION}"
                )
            identity = {key: text_attribute(file, key) for key in _IDENTITY}
            if len(file) > MOST_SEEDS:
                raise PredictionError(
                    f"{path} holds {len(file)} datasets; at most {MOST_SEEDS} seeds are read"
                )
            seeds = {
                _seed(name, path): _column(member(file, name, h5py.Dataset), path, entries)
                for name in file
            }
    except ShardError as error:
        raise PredictionError(f"{path}: {error}") from None
    except PredictionError:
        raise
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise PredictionError(f"{path} cannot be read as HDF5: {error}") from None
    if not seeds:
        raise PredictionError(f"{path} holds no predictions")
    return PredictionFile(seeds=seeds, **identity)


def _seed(name: str, path: Path) -> int:
    match = _SEED.fullmatch(name)
    if match is None:
        raise PredictionError(f"{path} holds {name!r}; only seed_<number> is expected")
    return int(match[1])


def _column(dataset: Any, path: Path, entries: int | None) -> NDArray[np.floating[Any]]:
    most = MOST_ENTRIES if entries is None else entries
    if dataset.size is None or dataset.size > most or entries not in (None, dataset.size):
        raise PredictionError(
            f"{path}: {dataset.name} has {dataset.size} values, "
            + (f"at most {most} are read" if entries is None else f"the split has {entries}")
        )
    values = read_column(dataset)
    if isinstance(values, list) or values.dtype not in (np.float32, np.float64):
        raise PredictionError(f"{path}: {dataset.name} is not float32 or float64")
    return values
