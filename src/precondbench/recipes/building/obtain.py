"""Splits: get one from the cache, a mirror or a local build; check, and add to the manifest."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import precondbench
from precondbench._internal import remove_leftovers
from precondbench.errors import DigestError, MissingDataError, ShardError
from precondbench.recipes.building.cached import cached_splits
from precondbench.recipes.registry import split_plan
from precondbench.recipes.spec import BuildContext, SplitPlan
from precondbench.shards import (
    Manifest,
    Offers,
    Record,
    ShardHeader,
    facts_digest,
    find_shard,
    load_manifest,
    locked,
    read_shard,
    record_digest,
    shard_path,
    split_digest,
    write_shard,
)

Result = TypeVar("Result")
_LOG = logging.getLogger(__name__)


def obtain_shard(
    dataset: str,
    version: str,
    configuration: str,
    split: str,
    root: str | Path | None = None,
    context: BuildContext | None = None,
    *,
    repair: bool = False,
) -> Path:
    """Return the file of a split.

    In this order: the cache, the mirrors, a local build from the recipe. What comes from a mirror
    or is built has the manifest's digests; a file in the cache is checked when it is read
    (:func:`open_split`). Several processes may ask at once; one works and the others wait, or all
    work where the file system has no locks.

    Parameters
    ----------
    dataset, version, configuration, split : str
        Names, as ``precondbench list`` prints them.
    root : path-like, optional
        Cache folder; by default ``PRECONDBENCH_CACHE``, else the platform's.
    context : BuildContext, optional
        Source of real matrices, workers and progress of a local build; ``root`` overrides
        its cache folder.
    repair : bool
        Check the file in the cache as well, and replace one that is damaged or of a newer format.

    Returns
    -------
    pathlib.Path
        The shard.

    Raises
    ------
    ConfigurationError
        If there is no such split.
    MissingDataError
        If it must be built from matrices that cannot be had.
    DigestError
        If what a mirror serves, or what is built here, is not what the manifest says.
    """
    plan = split_plan(dataset, version, configuration, split)
    manifest = load_manifest()
    entry = manifest.split(*plan.names)
    context = context or BuildContext()
    if root is not None:
        context = replace(context, root=Path(root))
    folder = context.folder

    def in_cache(*, first: bool = False) -> Path | None:
        (found,) = cached_splits([plan], folder)
        if not found.path.is_file():
            return None
        fault = found.examine()[1] if repair else ""
        if fault and first:
            _LOG.warning("replacing a bad file: %s", fault)
        return None if fault else found.path

    there = in_cache(first=True)
    if there is not None:
        return there
    reasons: list[str] = []
    fetched = Offers(manifest).fetch(*plan.names, folder, replace=repair, reasons=reasons)
    if fetched is not None:
        return fetched
    target = shard_path(folder, *plan.names, entry.content_digest)
    with locked(target):
        # Another process may have built it while this one waited.
        there = in_cache()
        if there is not None:
            return there
        remove_leftovers(target.parent)
        _LOG.info("building %s in %s", plan.path_name, target)
        try:
            build_plan(plan, target, entry.content_digest, context)
            shutil.rmtree(context.parts_of(*plan.names), ignore_errors=True)
        except MissingDataError as error:
            raise MissingDataError(f"{error}; mirrors: {'; '.join(reasons)}") from None
    return target


def two_at_once(
    plans: Sequence[SplitPlan],
    work: Callable[[SplitPlan, BuildContext], Result],
    context: BuildContext,
) -> list[Result]:
    """Do the same with every split, and with the next one while workers end the last of the other.

    Parameters
    ----------
    plans : sequence of SplitPlan
        The splits.
    work : callable
        Is given a split and a context, whose progress is that of all splits together.
    context : BuildContext
        Without an executor one split follows the other.

    Returns
    -------
    list
        What ``work`` returns, in order. If it raises, splits that have not begun are left out.
    """
    if context.executor is None:
        return [work(plan, context) for plan in plans]
    lock = threading.Lock()
    finished = {plan.names: 0 for plan in plans}
    total = sum(plan.count for plan in plans)

    def one(plan: SplitPlan) -> Result:
        def progress(done: int, _: int, name: str) -> None:
            with lock:
                finished[plan.names] = done
                if context.progress is not None:
                    context.progress(sum(finished.values()), total, name)

        result = work(plan, replace(context, progress=progress))
        progress(plan.count, plan.count, plan.path_name)
        return result

    with ThreadPoolExecutor(2) as threads:
        try:
            return list(threads.map(one, plans))
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            raise


def build_plan(
    plan: SplitPlan,
    target: Path,
    expected_digest: str | None = None,
    context: BuildContext | None = None,
) -> str:
    """Build a split into a file, which appears only if its content is what is expected.

    Parameters
    ----------
    plan : SplitPlan
        The split.
    target : pathlib.Path
        File to write.
    expected_digest : str, optional
        Content digest that it must have; by default any.
    context : BuildContext, optional
        Where matrices come from and who does the work; by default this process.

    Returns
    -------
    str
        Content digest.

    Raises
    ------
    DigestError
        If the digest is not the expected one; nothing is left behind.
    """
    header = ShardHeader(*plan.names, recipe=plan.recipe, creator=precondbench.__version__)
    context = context or BuildContext()
    records = list(counted(plan.records(context), plan.count, context.progress))
    digest = split_digest(map(record_digest, records))
    if expected_digest is not None and digest != expected_digest:
        raise DigestError(
            f"{plan.path_name} built here has content digest {digest}, the manifest says "
            f"{expected_digest}: this machine or library computes other bits. Run "
            f"'precondbench build check {plan.dataset}' and report what it names"
        )
    return write_shard(target, header, records)


def counted(
    records: Iterator[Record], total: int, progress: Callable[[int, int, str], None] | None
) -> Iterator[Record]:
    """Pass records on and report how many there were."""
    for done, record in enumerate(records, start=1):
        yield record
        if progress is not None:
            progress(done, total, record.name)


def download_split(
    plan: SplitPlan,
    offers: Offers,
    root: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Bring a split from the mirrors into the cache, without building it here.

    A file that is damaged, or of a newer format, is replaced. MissingDataError if none has it; the
    message gives the reason for each.
    """
    reasons: list[str] = []
    (found,) = cached_splits([plan], root)
    bad = not found.examine()[0].usable
    path = offers.fetch(*plan.names, root, replace=bad, progress=progress, reasons=reasons)
    if path is None:
        raise MissingDataError(
            f"no mirror has {plan.path_name}: {'; '.join(reasons)}. To build it here, "
            f"run 'precondbench build {plan.dataset} --version {plan.version}'"
        )
    return path


@dataclass(frozen=True)
class CheckResult:
    """Outcome of rebuilding one split.

    Attributes
    ----------
    plan : SplitPlan
        The split.
    digest : str
        Content digest of the rebuild.
    expected : str
        The manifest's.
    first_difference : str
        Name of the first record that differs from the cached shard, if there is one to
        compare with; ``facts`` if only those differ; else empty.
    same_facts : bool
        Whether iterations, winners and the like are those of the manifest.
    """

    plan: SplitPlan
    digest: str
    expected: str
    first_difference: str = ""
    same_facts: bool = True

    @property
    def agrees(self) -> bool:
        """Whether the rebuild has the manifest's digests."""
        return self.digest == self.expected and self.same_facts


def check_plan(
    plan: SplitPlan,
    manifest: Manifest,
    context: BuildContext | None = None,
) -> CheckResult:
    """Rebuild a split without writing it and compare its digest with the manifest's.

    Parts of earlier builds are not used: everything is computed again.

    Parameters
    ----------
    plan : SplitPlan
        The split.
    manifest : Manifest
        What it is compared with.
    context : BuildContext, optional
        Where matrices come from and who does the work; by default this process.

    Returns
    -------
    CheckResult
        Both digests, and the first record that differs.
    """
    context = context or BuildContext()
    entry = manifest.split(*plan.names)
    expected = entry.content_digest
    with TemporaryDirectory() as scratch:
        digests, facts = digests_of(plan, replace(context, root=Path(scratch)))
    digest = split_digest(digests.values())
    if digest == expected:
        same_facts = entry.facts_digest in (None, facts)
        return CheckResult(plan, digest, expected, "" if same_facts else "facts", same_facts)
    published, _ = find_shard(context.folder, *plan.names, expected)
    first = ""
    with suppress(ShardError):  # There is no file to compare with, or a damaged one.
        pairs = zip(digests.items(), read_shard(published).record_digests, strict=False)
        first = next((name for (name, ours), theirs in pairs if ours != theirs), "")
    return CheckResult(plan, digest, expected, first)


def digests_of(plan: SplitPlan, context: BuildContext) -> tuple[dict[str, str], str]:
    """Build a split, and return the digest of each record by name, and that of all facts."""
    digests, facts = {}, []
    for record in counted(plan.records(context), plan.count, context.progress):
        digests[record.name] = record_digest(record)
        facts.append(record.facts)
    return digests, facts_digest(facts)
