"""A shard of every matrix of a mirror that could be factored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import precondbench
from precondbench.build.factored import FactoredMatrix
from precondbench.build.suitesparse import DATASET, factor_collection
from precondbench.matrices import Collection
from precondbench.shards import ShardHeader, write_shard

__all__ = ["build_collection_shard"]


def build_collection_shard(
    collection: Collection,
    max_n: int,
    out: Path | None,
    folder: Path,
    progress: Callable[[int, int, str], None] | None = None,
) -> tuple[Path | None, str | None, list[FactoredMatrix]]:
    """Factor a mirror's SPD matrices up to a size and write those that succeeded.

    Parameters
    ----------
    collection : Collection
        The mirror.
    max_n : int
        Largest number of rows.
    out : pathlib.Path, optional
        File to write; by default ``folder/local/suitesparse-invk-max<n>.h5``.
    folder : pathlib.Path
        Cache folder.
    progress : callable, optional
        Called as ``progress(done, total, name)``.

    Returns
    -------
    path : pathlib.Path or None
        The shard; None if no matrix could be built.
    digest : str or None
        Its content digest.
    results : list of FactoredMatrix
        One for each matrix of the index, whatever became of it.
    """

    def report(done: int, total: int, what: FactoredMatrix | str) -> None:
        if progress is not None:
            progress(done, total, what if isinstance(what, str) else what.name)

    results = factor_collection(collection, max_n, report)
    records = [result.record for result in results if result.record is not None]
    if not records:
        return None, None, results
    path = out or folder / "local" / f"{DATASET}-max{max_n}.h5"
    header = ShardHeader(
        dataset=DATASET,
        version="local",
        configuration="tril",
        split="all",
        recipe={
            "kind": "collection",
            "max_n": max_n,
            "stored_zeros": "dropped",
            "scaling": "power-of-two",
        },
        creator=precondbench.__version__,
    )
    digest = write_shard(path, header, records)
    return path, digest, results
