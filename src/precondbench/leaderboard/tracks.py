"""Tracks of the leaderboard: the ranked splits and their matrices."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench._internal import did_you_mean
from precondbench.errors import ConfigurationError
from precondbench.matrices import LAWS
from precondbench.quality import (
    MAXITER,
    RTOL,
    SIDES,
    HopLadder,
    Pair,
    entries_by_cell,
    mean_ceiling,
    problem_of,
)
from precondbench.recipes import dataset_spec, dataset_specs, family_of, select_plans

if TYPE_CHECKING:
    from precondbench.datasets import FactorDataset


PROTOCOL_VERSION = 2
RankedBy = Literal["profile_area", "iterations_mean", "ratio_mean"]
Kind = Literal["real", "parametric", "synthetic"]
RANKED_BY: dict[Kind, RankedBy] = {
    "real": "profile_area",
    "parametric": "ratio_mean",
    "synthetic": "iterations_mean",
}
LADDER = (0, 1, 2, 4, 8, 16, 32)
CEILINGS = (1, 2, 4, 7, 8)
DENSITY = 32
ALL_SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class TrackName:
    """One ranking: the data and the label to predict.

    ``split`` is the name of a split, or ``all`` for methods that learn nothing.
    """

    dataset: str
    version: str
    configuration: str
    split: str
    label: str
    title: str

    @property
    def id(self) -> str:
        """Name in files: ``dataset-version-configuration-split``, without underscores."""
        name = f"{self.dataset}-{self.version}-{self.configuration}-{self.split}"
        return name.replace("_", "-")

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits whose matrices are in it."""
        own = select_plans(self.dataset, self.version, self.configuration)
        return (self.split,) if self.split in {plan.split for plan in own} else ALL_SPLITS

    @property
    def nonsymmetric(self) -> bool:
        """Whether its matrices have two factors, L and U, and are solved by GMRES."""
        return not dataset_spec(self.dataset).symmetric

    @property
    def tridiagonal(self) -> bool:
        """Whether its matrices are tridiagonal: drawn, with exact factors and k-hop oracles."""
        return dataset_spec(self.dataset).tridiagonal

    @property
    def kind(self) -> Kind:
        """``real``: of the collection; ``parametric``: of a family; ``synthetic``: tridiagonal."""
        spec = dataset_spec(self.dataset)
        return "synthetic" if spec.tridiagonal else "real" if spec.from_collection else "parametric"


TRACKS: tuple[TrackName, ...] = tuple(
    TrackName(
        spec.name,
        version.name,
        configuration,
        split,
        spec.labels[0],
        f"{spec.title}, {version.builder.title(configuration, split)}",
    )
    for spec in dataset_specs()
    for version in spec.versions
    for configuration, splits in version.ranked.items()
    for split in splits
)


def ranked_track(
    dataset: str, version: str, configuration: str, split: str, label: str
) -> TrackName | None:
    """Return the track of a split, or None if it is not ranked."""
    wanted = (dataset, version, configuration, split, label)
    for name in TRACKS:
        if (name.dataset, name.version, name.configuration, name.split, name.label) == wanted:
            return name
    return None


def track_named(track: str) -> TrackName:
    """Return the track of that id; ConfigurationError if there is none."""
    for name in TRACKS:
        if name.id == track:
            return name
    advice = did_you_mean(track, [name.id for name in TRACKS])
    if not advice:
        # One for the splits of each configuration; all of them would be a page.
        data = dict.fromkeys(f"{one.dataset}-{one.version}-{one.configuration}-*" for one in TRACKS)
        advice = f"; known: {', '.join(data)}"
    raise ConfigurationError(f"there is no track {track!r}{advice}")


class OpenTrack:
    """Matrices and targets of a track, from its splits, in the order of its entries' lists."""

    def __init__(self, name: TrackName, datasets: Sequence[FactorDataset]) -> None:
        self.name = name
        self.datasets = list(datasets)
        self._places = [(data, i) for data in self.datasets for i in range(len(data))]

    def __len__(self) -> int:
        return len(self._places)

    def pair(self, index: int) -> Pair:
        """Return matrix and target."""
        data, i = self._places[index]
        return data.pair(i)

    def facts(self, index: int) -> dict[str, Any]:
        """Return the facts of a matrix."""
        data, i = self._places[index]
        return data.facts(i)

    def geometry(self, index: int) -> dict[str, NDArray[np.float64]]:
        """Return what is known of the rows of a matrix beside its entries."""
        data, i = self._places[index]
        return data.geometry(i)

    @property
    def content_digest(self) -> str:
        """Digest of the split; of several, sha256 of their digests joined."""
        digests = [data.shard.content_digest for data in self.datasets]
        if len(digests) == 1:
            return digests[0]
        return hashlib.sha256("".join(digests).encode()).hexdigest()

    def earlier(self, index: int) -> tuple[csr_array, ...]:
        """Return the systems before one of a sequence."""
        data, i = self._places[index]
        return data.earlier(i)

    @property
    def ranked_by(self) -> RankedBy:
        """The number that ranks."""
        return RANKED_BY[self.name.kind]

    @cached_property
    def families(self) -> list[str]:
        """Family of each matrix; what was drawn together, such as twins, is one family."""
        names = [name for data in self.datasets for name in data.names]
        if self.name.kind == "real":
            return [family_of(self.name.version, name) for name in names]
        if self.name.kind == "parametric":
            (data,) = self.datasets
            return list(data.shard.groups)
        return [names[i - i % 2] for i in range(len(names))] if self._twins else names

    @property
    def _twins(self) -> bool:
        """Whether matrices 2 i and 2 i + 1 come from one draw."""
        laws = LAWS["lu" if self.name.nonsymmetric else "cholesky"]
        return self.name.tridiagonal and laws[self.name.configuration].records == "twins"

    @cached_property
    def ladder(self) -> HopLadder | None:
        """Return the k-hop oracles of a tridiagonal track."""
        return HopLadder.where_defined(self.pair(i) for i in range(len(self)))

    def describe(self) -> dict[str, Any]:
        """Return the content of the track's file: matrices, ladder, ceilings."""
        ladder = self.ladder
        return {
            "format": "precondbench-track",
            "format_version": 2,
            "id": self.name.id,
            "title": self.name.title,
            "dataset": self.name.dataset,
            "version": self.name.version,
            "configuration": self.name.configuration,
            "split": self.name.split,
            "label": self.name.label,
            "content_digest": self.content_digest,
            "kind": self.name.kind,
            "protocol": {
                "rtol": RTOL,
                "maxiter": MAXITER,
                "version": PROTOCOL_VERSION,
                "sides": SIDES,
                "solver": "GMRES(50)" if self.name.nonsymmetric else "PCG",
            },
            "matrices": [self._describe_matrix(i) for i in range(len(self))],
            "ladder": ladder and {str(k): ladder.mean_iterations(k) for k in LADDER},
            "ceilings": self._ceilings(),
        }

    def _describe_matrix(self, index: int) -> dict[str, Any]:
        pair, facts = self.pair(index), self.facts(index)
        real = self.name.kind == "real"
        problem = problem_of(pair)
        condition = facts["condition_scaled"] if real else math.nan
        return {
            "name": pair.name,
            "n": problem.pattern.n,
            "nnz": problem.pattern.nnz,
            "kind": facts["kind"] if real else None,
            "family": self.families[index],
            "condition": condition if math.isfinite(condition) else None,
            "target_iterations": problem.target_iterations,
            "density": spy_density(pair.A) if real else None,
        }

    def _ceilings(self) -> dict[str, float] | None:
        if not self._twins:
            return None
        (data,) = self.datasets
        known = [k for k in CEILINGS if f"ceiling_{k:03d}" in data.facts(0)]
        return {str(k): mean_ceiling(data, k) for k in known}


def open_track(name: TrackName, root: str | Path | None = None) -> OpenTrack:
    """Open the data of a track; ``root`` is the cache folder."""
    from precondbench.datasets import DataSelection

    data = DataSelection(
        dataset=name.dataset,
        configuration=name.configuration,
        label=name.label,
        version=name.version,
    )
    return OpenTrack(name, [data.open(split, root) for split in name.splits])


def spy_density(matrix: csr_array) -> list[str]:
    """Draw the pattern of a square matrix as 32 rows of 32 digits, fewer for a smaller one.

    0 is an empty cell, 9 as full as the fullest, on a scale of square roots.
    """
    counts = entries_by_cell(matrix, DENSITY)
    digits = np.ceil(9.0 * np.sqrt(counts / counts.max())).astype(int)
    return ["".join(map(str, row)) for row in digits]
