"""Factor what a mirror holds, whatever it is, and keep what succeeded in a local shard."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import precondbench
from precondbench.factors import DEFAULT_PATTERN
from precondbench.matrices import Collection, CollectionEntry
from precondbench.recipes.building.label import FactoredMatrix
from precondbench.recipes.building.tasks import PartStore, factor_all
from precondbench.recipes.spec import BuildContext
from precondbench.recipes.suitesparse import SUITESPARSE, candidates, release_plans, tasks_for
from precondbench.shards import ShardHeader, write_shard


def mirror_entries(context: BuildContext, max_n: int) -> list[CollectionEntry]:
    """Real SPD matrices of the source's own index up to a size."""
    collection = Collection(context.collection_source(), context.folder / "collection")
    return collection.positive_definite(max_n)


def unverified_entries() -> list[CollectionEntry]:
    """Candidates of the catalogue that version 1.0 does not hold."""
    released = {
        name
        for plan in release_plans(patterns=[DEFAULT_PATTERN])
        for name in plan.recipe["matrices"]
    }
    return [entry for entry in candidates() if entry.full_name not in released]


def build_collection_shard(
    entries: Sequence[CollectionEntry], context: BuildContext, out: Path
) -> tuple[Path | None, str | None, list[FactoredMatrix]]:
    """Factor matrices and write those that succeeded; one bad matrix stops nothing.

    Parameters
    ----------
    entries : sequence of CollectionEntry
        What to try.
    context : BuildContext
        Source, cache, workers, progress. Finished matrices are kept: started again after an
        interruption, the build goes on where it was.
    out : pathlib.Path
        Shard to write.

    Returns
    -------
    path : pathlib.Path or None
        The shard; None if no matrix could be built.
    digest : str or None
        Its content digest.
    results : list of FactoredMatrix
        One for each entry, whatever became of it.
    """
    store = PartStore(context.folder / "parts")
    results = factor_all(tasks_for(entries, context), store, context.executor, context.progress)
    return *write_local_shard(results, DEFAULT_PATTERN, out), results


def write_local_shard(
    results: Sequence[FactoredMatrix], configuration: str, out: Path, **recipe: str
) -> tuple[Path | None, str | None]:
    """Write what was built to a shard of its own, without a published digest.

    Parameters
    ----------
    results : sequence of FactoredMatrix
        Those without a record are left out.
    configuration : str
        Name of the configuration in the shard.
    out : pathlib.Path
        Shard to write.
    **recipe : str
        What else its recipe says.

    Returns
    -------
    path, digest : pathlib.Path and str, or None
        Of the shard; None if there is nothing to write.
    """
    records = [result.record for result in results if result.record is not None]
    if not records:
        return None, None
    header = ShardHeader(
        dataset=SUITESPARSE,
        version="local",
        configuration=configuration,
        split="all",
        recipe={
            "kind": "collection",
            "matrices": [record.name for record in records],
            "stored_zeros": "dropped",
            "scaling": "power-of-two",
            **recipe,
        },
        creator=precondbench.__version__,
    )
    return out, write_shard(out, header, records)


def outcome_counts(results: Sequence[FactoredMatrix]) -> list[tuple[str, int]]:
    """Count outcomes, and winners among what was built."""
    counts = Counter(result.outcome for result in results)
    winners = Counter(
        f"winner {result.facts['winner']}" for result in results if result.outcome == "built"
    )
    return [*sorted(counts.items()), *sorted(winners.items())]
