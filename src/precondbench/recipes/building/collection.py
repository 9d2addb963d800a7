"""Local shards from a mirror of the SuiteSparse collection, of matrices of any size.

Large matrices are read and analysed first: a matrix that needs too much memory is refused before
any is taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import precondbench
from precondbench._internal import available_memory
from precondbench.errors import MissingDataError, PrecondbenchError
from precondbench.factors import (
    DEFAULT_PATTERN,
    Forecast,
    analysis_bytes,
    cores,
    forecast_invk,
    lower_part,
)
from precondbench.matrices import Collection, CollectionEntry
from precondbench.recipes.building.label import LARGE, FactoredMatrix
from precondbench.recipes.building.tasks import PartStore, factor_all, tasks_for
from precondbench.recipes.spec import BuildContext
from precondbench.recipes.suitesparse import (
    SUITESPARSE,
    candidates,
    left_out_by_index,
    release_plans,
)
from precondbench.shards import ShardHeader, write_shard

FROM_ROWS = 50_000
# Text of a matrix, its triplets and A itself, for each non-zero.
READING_BYTES = 100
# What stays in memory of a finished matrix until the shard is written, for each non-zero of A.
KEPT_BYTES = 32
# What one matrix may take of the memory there is: reading and solving need some, too.
SHARE = 0.9

Announce = Callable[[str], None]
Built = tuple[Path | None, str | None, list[FactoredMatrix]]


def mirror_entries(context: BuildContext, max_n: int) -> list[CollectionEntry]:
    """Real SPD matrices of the source's own index up to a size."""
    return _collection(context).positive_definite(max_n)


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
) -> Built:
    """Factor matrices and write those that succeeded to a shard; one bad matrix stops nothing.

    Returns the path and content digest of the shard (None if no matrix could be built), and what
    became of each entry. Finished matrices are kept: started again after an interruption, the
    build continues where it was.
    """
    store = PartStore(context.folder / "parts")
    results = factor_all(tasks_for(entries, context), store, context.executor, context.progress)
    return *_write_local_shard(results, DEFAULT_PATTERN, out), results


@dataclass(frozen=True)
class LargePlan:
    """What will become of one matrix: ``planned``, or why not, and the cost if it is known.

    Other outcomes are ``not in the mirror``, ``unreadable`` and ``refused``, for lack of memory.
    """

    entry: CollectionEntry
    outcome: str
    detail: str = ""
    forecast: Forecast | None = None


def plan_large(
    context: BuildContext,
    max_bytes: int | None = None,
    from_rows: int = FROM_ROWS,
    announce: Announce | None = None,
) -> list[LargePlan]:
    """Read and analyse each large matrix whose file is there, by size, and compute nothing yet.

    Considered are the real SPD matrices of the source's index with ``from_rows`` rows or more that
    are neither diagonal nor duplicates. ``max_bytes`` (by default nine tenths of
    ``available_memory``) may be taken by one matrix and the results of those before it.
    ``announce`` gets a line about each matrix.
    """
    collection = _collection(context)
    allowed = int(SHARE * available_memory()) if max_bytes is None else max_bytes
    kept = 0
    plans = []
    for entry in collection.positive_definite():
        if entry.rows < from_rows or left_out_by_index(entry):
            continue
        plan = _plan_one(collection, entry, allowed - kept)
        plans.append(plan)
        if plan.outcome == "planned":
            kept += KEPT_BYTES * entry.nnz
        if announce is not None:
            what = plan.forecast if plan.outcome == "planned" else f"{plan.outcome}: {plan.detail}"
            announce(f"{entry.full_name}, n = {entry.rows:,}: {what}")
    return plans


def planned_effort(plans: Iterable[LargePlan]) -> tuple[int, float, float]:
    """Return how many matrices are planned, their seconds in all, and the most bytes of one."""
    planned = [plan.forecast for plan in plans if plan.outcome == "planned" and plan.forecast]
    seconds = sum(forecast.seconds for forecast in planned)
    return len(planned), seconds, max((forecast.bytes for forecast in planned), default=0)


def _plan_one(collection: Collection, entry: CollectionEntry, allowed: int) -> LargePlan:
    if not collection.has(entry):
        return LargePlan(entry, "not in the mirror")

    def refused(needed: float, what: str, forecast: Forecast | None = None) -> LargePlan:
        detail = f"{what} needs about {needed / 1e9:.2g} GB, {allowed / 1e9:.2g} GB are left for it"
        return LargePlan(entry, "refused", detail, forecast)

    reading = READING_BYTES * entry.nnz
    if reading > allowed:
        return refused(reading, "reading it")
    try:
        matrix = collection.matrix(entry)
    except MissingDataError as error:
        return LargePlan(entry, "not in the mirror", str(error))
    except PrecondbenchError as error:
        return LargePlan(entry, "unreadable", str(error))
    pattern = lower_part(matrix)
    if analysis_bytes(pattern) > allowed:
        return refused(analysis_bytes(pattern), "its symbolic analysis")
    forecast = forecast_invk(matrix, pattern, workers=cores())
    if forecast.bytes > allowed:
        return refused(forecast.bytes, "its factor", forecast)
    return LargePlan(entry, "planned", str(forecast), forecast)


def build_large(plans: Iterable[LargePlan], context: BuildContext, out: Path) -> Built:
    """Factor what :func:`plan_large` planned, one matrix at a time on all cores, and write a shard.

    Returns as :func:`build_collection_shard`; what was not planned is passed on as it is.
    """
    chosen = list(plans)
    planned = [plan.entry for plan in chosen if plan.outcome == "planned"]
    tasks = tasks_for(planned, context, pattern=LARGE)
    # No workers: two large matrices at a time might not fit.
    factored = factor_all(tasks, PartStore(context.folder / "parts"), None, context.progress)
    by_name = {result.name: result for result in factored}
    results = [
        by_name.get(
            plan.entry.full_name,
            FactoredMatrix(plan.entry.full_name, plan.outcome, plan.detail),
        )
        for plan in chosen
    ]
    return *_write_local_shard(results, LARGE, out, inverse="any method"), results


def outcome_counts(results: Sequence[FactoredMatrix]) -> list[tuple[str, int]]:
    """Count outcomes, and winners among what was built."""
    counts = Counter(result.outcome for result in results)
    winners = Counter(
        f"winner {result.facts['winner']}" for result in results if result.outcome == "built"
    )
    return [*sorted(counts.items()), *sorted(winners.items())]


def _collection(context: BuildContext) -> Collection:
    return Collection(context.collection_source(), context.folder / "collection")


def _write_local_shard(
    results: Sequence[FactoredMatrix], configuration: str, out: Path, **recipe: str
) -> tuple[Path | None, str | None]:
    """Write what was built to a shard that has no published digest, if there is anything."""
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
