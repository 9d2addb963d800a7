"""Entries that are run, on matrices and seeds that only the maintainers know."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import precondbench
from precondbench.errors import ConfigurationError, LeaderboardError
from precondbench.factors import ic0
from precondbench.leaderboard.entries import (
    Entry,
    Hidden,
    read_leaderboard,
    stored_entry,
    submission_path,
    write_entry,
)
from precondbench.leaderboard.running.method import Running
from precondbench.leaderboard.scoring.intervals import interval_of
from precondbench.leaderboard.scoring.ranking import ratio_mean
from precondbench.leaderboard.scoring.score import bundle_candidate
from precondbench.leaderboard.submissions.schema import open_bundle
from precondbench.leaderboard.tracks import TrackName, track_named
from precondbench.matrices import DiscreteSystem, matrix_digest, read_matrix
from precondbench.quality import Evaluation, Row, evaluate_many, rounded

if TYPE_CHECKING:
    from precondbench.datasets import ParametricInvK

LEAST_SECRET, MOST_SECRET = 16, 4096
_ENDINGS = (".mtx", ".mtx.gz", ".npz")
_DIGITS = 4


@dataclass(frozen=True)
class HiddenSet:
    """What entries are judged on out of sight.

    Parameters
    ----------
    secret : bytes
        Determines what is drawn, and right-hand sides.
    matrices : path-like, optional
        Folder of files, see :func:`precondbench.matrices.read_matrix`.
    count : int
        Draws from the family of a track that has one.

    Raises
    ------
    ConfigurationError
        If the secret is too short to be one.
    """

    secret: bytes
    matrices: str | Path | None = None
    count: int = 50

    def __post_init__(self) -> None:
        if not LEAST_SECRET <= len(self.secret) <= MOST_SECRET:
            raise ConfigurationError(
                f"the seed has {len(self.secret)} bytes; give {LEAST_SECRET} to {MOST_SECRET}, for "
                "example those of `head -c 32 /dev/urandom`"
            )

    def datasets(self, track: TrackName) -> Iterator[ParametricInvK]:
        """Yield the matrices for a track: draws of its family, then those of the folder."""
        from precondbench.datasets import ParametricInvK

        if track.nonsymmetric:
            raise ConfigurationError(f"{track.id}: hidden matrices are symmetric positive definite")
        if track.kind == "parametric" and self.count > 0:
            number = int.from_bytes(self._bound(f"draws {track.id}")[:16], "little")
            yield ParametricInvK.generate(
                track.configuration, seed=number, count=self.count, geometry=True
            )
        if self.matrices is not None:
            systems = [
                DiscreteSystem(read_matrix(path), near_null_space="none") for path in self._files()
            ]
            yield ParametricInvK.of_systems("hidden", systems)

    def key(self, key: str) -> str:
        """What right-hand sides are bound to, in place of the key of code and weights."""
        return self._bound(f"sides {key}").hex()

    def digest(self, digests: list[str]) -> str:
        """Digest of the set, which only those who know the seed can compare with matrices."""
        return self._bound("\n".join(["matrices", *sorted(digests)])).hex()

    def _bound(self, text: str) -> bytes:
        return hmac.digest(self.secret, text.encode(), hashlib.sha256)

    def _files(self) -> list[Path]:
        folder = Path(str(self.matrices))
        if not folder.is_dir():
            raise ConfigurationError(f"there is no folder {folder}")
        found = sorted(path for path in folder.iterdir() if path.name.endswith(_ENDINGS))
        if not found:
            raise ConfigurationError(f"{folder} holds no matrices ({', '.join(_ENDINGS)})")
        return found


def score_hidden(
    folder: str | Path,
    track: str,
    entry: str,
    hidden: HiddenSet,
    *,
    submission: str | Path | None = None,
    root: str | Path | None = None,
    executor: Executor | None = None,
    running: Running | None = None,
) -> Entry:
    """Run the code of an entry on a hidden set, and write what came of it into the entry.

    Parameters
    ----------
    folder : path-like
        The leaderboard.
    track, entry : str
        Ids.
    hidden : HiddenSet
        The matrices.
    submission : path-like, optional
        By default ``<folder>/submissions/<track>/<entry>``.
    root : path-like, optional
        Cache folder.
    executor : concurrent.futures.Executor, optional
        Workers.
    running : Running, optional
        How the code is run.

    Returns
    -------
    Entry
        As it was, with ``hidden``: aggregates alone.

    Raises
    ------
    LeaderboardError
        If the entry is not run, or its submission is another one.
    """
    stored = stored_entry(read_leaderboard(folder), track, entry)
    if stored.program is None:
        raise LeaderboardError(f"{track}/{entry} is not run; pack its code by submit pack --entry")
    bundle = open_bundle(submission or submission_path(folder, track, entry), root)
    if bundle.submission.program != stored.program:
        raise LeaderboardError(
            f"{bundle.folder} is of other code or weights than {track}/{entry}; score it first"
        )
    seeds = bundle_candidate(bundle, entry, running).seeds
    methods = {str(seed): method for seed, (method, _) in seeds.items()}
    keys = {str(seed): hidden.key(key) for seed, (_, key) in seeds.items()}
    rows: dict[str, list[Row]] = {name: [] for name in (*methods, "")}
    digests: list[str] = []
    for data in hidden.datasets(track_named(track)):
        scored = evaluate_many(
            data, {**methods, "": ic0}, keys=keys, log_k=False, executor=executor
        )
        for name, one in scored.items():
            rows[name] += one.rows
        digests += [matrix_digest(data.pair(i).A) for i in range(len(data))]
    if not digests:
        raise ConfigurationError(f"{track} has no family to draw from; give --matrices")
    base = Evaluation.of(rows.pop(""))
    evaluations = [Evaluation.of(of) for of in rows.values()]
    means = [ratio_mean(one) for one in evaluations]
    # Every matrix stands for itself.
    low, high = interval_of("ratio_mean", digests, evaluations)
    solved = sum(sum(one.solved) for one in evaluations)
    outcome = Hidden(
        digest=hidden.digest(digests),
        matrices=len(digests),
        solved=_short(solved / (len(evaluations) * len(digests))),
        ratio_mean=_short(sum(means) / len(means)),
        interval=[_short(low), _short(high)],
        ic0_ratio_mean=_short(ratio_mean(base)),
        date=datetime.now(UTC).date().isoformat(),
        precondbench=precondbench.__version__,
    )
    found = stored.model_copy(update={"hidden": outcome})
    write_entry(folder, found)
    return found


def _short(value: float) -> float:
    """Few digits: aggregates must not tell single matrices."""
    return float(rounded(value, _DIGITS))
