"""How much memory this process may still take."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from scipy.sparse import csr_array, tril

from precondbench.errors import AccuracyWarning, BreakdownError, MissingDataError, PrecondbenchError
from precondbench.factors import (
    Forecast,
    analysis_bytes,
    cores,
    forecast_invk,
    ic0_values,
    invk_report,
    lower_pattern,
    lower_values,
)
from precondbench.matrices import Collection, CollectionEntry, matrix_digest
from precondbench.quality import Outcome, SymmetricProblem
from precondbench.recipes.building.label import (
    FactoredMatrix,
    iterations_text,
    outcome_facts,
    winner_of,
)
from precondbench.recipes.building.mirror import write_local_shard
from precondbench.recipes.building.tasks import PartStore, Task, factor_all
from precondbench.recipes.spec import BuildContext
from precondbench.recipes.suitesparse import left_out_by_index
from precondbench.shards import Record

# Where a container finds its own limits: (limit, used), second and first version of cgroups.
_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    ),
)


def available_memory() -> int:
    """Bytes that can be had: of the machine, of the container, of the limits of the process.

    Examples
    --------
    >>> from precondbench.recipes import available_memory
    >>> available_memory() > 1e6
    True
    """
    found = [int(psutil.virtual_memory().available)]
    for limit, used in _CGROUPS:
        with suppress(OSError, ValueError):  # not there, or "max"
            found.append(int(Path(limit).read_text()) - int(Path(used).read_text()))
    found += _process_limits()
    return max(min(found), 0)


def _process_limits() -> list[int]:
    try:
        import resource
    except ImportError:  # not on Windows
        return []
    held = psutil.Process().memory_info()
    limits = []
    for kind, taken in ((resource.RLIMIT_AS, held.vms), (resource.RLIMIT_DATA, held.rss)):
        soft, _ = resource.getrlimit(kind)
        if soft != resource.RLIM_INFINITY:
            limits.append(soft - taken)
    return limits


LARGE = "large"
FROM_ROWS = 50_000
# Text of a matrix, its triplets and A itself, for each non-zero.
READING_BYTES = 100
# What stays in memory of a finished matrix until the shard is written, for each non-zero of A.
KEPT_BYTES = 32
# What one matrix may take of the memory there is: reading and solving need some, too.
SHARE = 0.9

Announce = Callable[[str], None]


@dataclass(frozen=True)
class LargePlan:
    """What will become of one matrix.

    Attributes
    ----------
    entry : CollectionEntry
        Which matrix.
    outcome : str
        ``planned``, or why not: ``not in the mirror``, ``unreadable``, ``refused``.
    detail : str
        One sentence more, may be empty.
    forecast : Forecast or None
        None where the matrix could not be analysed.
    """

    entry: CollectionEntry
    outcome: str
    detail: str = ""
    forecast: Forecast | None = None


@dataclass(frozen=True)
class LargeTask(Task):
    """One large matrix to factor, in this process, by the way that ``invk`` finds best."""

    pattern: str = LARGE

    def run(self) -> FactoredMatrix:
        """Read and factor the matrix; every failure of the library is an outcome."""
        assert self.source is not None
        name = self.entry.full_name
        try:
            cache = Path(self.download_cache) if self.download_cache else None
            matrix = Collection(self.source, cache).matrix(self.entry)
        except PrecondbenchError as error:
            return FactoredMatrix(name, "unreadable", str(error))
        return factor_large(name, matrix, self.entry.kind)


def plan_large(
    context: BuildContext,
    max_bytes: int | None = None,
    from_rows: int = FROM_ROWS,
    announce: Announce | None = None,
) -> list[LargePlan]:
    """Read and analyse every large matrix whose file is there, and compute nothing yet.

    Parameters
    ----------
    context : BuildContext
        Source of the matrices.
    max_bytes : int, optional
        Memory that may be taken, by one matrix and by the results of those before it; by
        default nine tenths of :func:`available_memory`.
    from_rows : int
        Smallest n.
    announce : callable, optional
        Told of every matrix, in words, when it has been analysed.

    Returns
    -------
    list of LargePlan
        One for each real SPD matrix of the source's index that is neither diagonal nor a
        duplicate, by size.

    Raises
    ------
    MissingDataError
        If there is no source.
    """
    collection = Collection(context.collection_source(), context.folder / "collection")
    allowed = int(SHARE * available_memory()) if max_bytes is None else max_bytes
    plans: list[LargePlan] = []
    kept = 0
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
    pattern = lower_pattern(tril(matrix, format="csr"))
    if analysis_bytes(pattern) > allowed:
        return refused(analysis_bytes(pattern), "its symbolic analysis")
    forecast = forecast_invk(matrix, pattern, workers=cores())
    if forecast.bytes > allowed:
        return refused(forecast.bytes, "its factor", forecast)
    return LargePlan(entry, "planned", str(forecast), forecast)


def factor_large(full_name: str, matrix: csr_array, kind: str = "") -> FactoredMatrix:
    """Compute Inv-K and IC(0) of a large matrix, all cores, and solve with each.

    As :func:`precondbench.recipes.factor_matrix`, but Inv-K is the way that ``invk``
    chooses, and only these two are solved with.

    Parameters
    ----------
    full_name : str
        ``group/name``.
    matrix : scipy.sparse.csr_array
        Checked symmetric matrix.
    kind : str
        Problem domain, kept as a fact.

    Returns
    -------
    FactoredMatrix
        Facts: iterations and status of both solves, winner, breakdown column of IC(0), and for
        Inv-K its method, ``residual`` and ``diagonal_error`` (see ``InvKReport``), ``seconds``.
    """
    digest = matrix_digest(matrix)
    problem = SymmetricProblem(matrix)
    pattern = problem.pattern
    try:
        with warnings.catch_warnings():
            # What it would say is among the facts, and in the detail.
            warnings.simplefilter("ignore", AccuracyWarning)
            report = invk_report(problem.matrix)
    except BreakdownError as error:
        return FactoredMatrix(full_name, "not positive definite", str(error), digest)
    unscale = 1.0 / np.repeat(problem.row_scale, np.diff(pattern.indptr))
    invk = report.factor.data * unscale
    ic0, breakdown = ic0_values(pattern, lower_values(problem.matrix, pattern))
    solves: dict[str, Outcome | None] = {
        "invk": problem.solve(invk),
        "ic0": problem.solve(ic0 * unscale) if breakdown < 0 else None,
    }
    assert solves["invk"] is not None
    winner = winner_of(solves["ic0"], solves["invk"])
    facts: dict[str, int | float | str] = {
        "kind": kind,
        "winner": winner,
        "breakdown_column": breakdown,
        "method": report.method,
        "residual": report.residual,
        "diagonal_error": report.diagonal_error,
        "seconds": report.seconds,
    }
    facts |= outcome_facts(solves)
    said = iterations_text(facts, {"ic0": "IC(0)", "invk": "Inv-K"})
    if not report.residual <= 1e-4:
        said += f"; few correct digits in Inv-K, residual {report.residual:.1e}"
    if winner == "neither":
        return FactoredMatrix(full_name, "neither label converges", said, digest, facts=facts)
    record = Record(
        name=full_name,
        group=full_name.partition("/")[0],
        indptr=pattern.indptr,
        indices=pattern.indices,
        a=lower_values(matrix, pattern),
        labels={"invk": invk, "ic0": ic0 * unscale if breakdown < 0 else None},
        facts=facts,
    )
    return FactoredMatrix(full_name, "built", f"{said}: {winner}", digest, record, facts)


def build_large(
    plans: Iterable[LargePlan], context: BuildContext, out: Path
) -> tuple[Path | None, str | None, list[FactoredMatrix]]:
    """Factor what is planned, one matrix at a time on all cores, and write a shard.

    Parameters
    ----------
    plans : iterable of LargePlan
        From :func:`plan_large`; what is not planned is passed on as it is.
    context : BuildContext
        Source, cache and progress. Finished matrices are kept: started again after an
        interruption, the build goes on where it was.
    out : pathlib.Path
        Shard to write.

    Returns
    -------
    path, digest, results
        As of :func:`precondbench.recipes.build_collection_shard`.
    """
    chosen = list(plans)
    source, downloads = context.collection_source(), str(context.folder / "collection")
    tasks: Sequence[Task] = [
        LargeTask(plan.entry, source, downloads) for plan in chosen if plan.outcome == "planned"
    ]
    executor: Executor | None = None  # two large matrices at a time might not fit
    factored = factor_all(tasks, PartStore(context.folder / "parts"), executor, context.progress)
    by_name = {result.name: result for result in factored}
    results = [
        by_name.get(
            plan.entry.full_name,
            FactoredMatrix(plan.entry.full_name, plan.outcome, plan.detail),
        )
        for plan in chosen
    ]
    return *write_local_shard(results, LARGE, out, inverse="any method"), results
