"""Get a split: from the cache, from a mirror, or by building it here; and check what is cached."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import precondbench
from precondbench.errors import DigestError, MissingDataError, ShardError
from precondbench.recipes.registry import split_plan
from precondbench.recipes.spec import BuildContext, SplitPlan
from precondbench.shards import (
    Offers,
    Record,
    ShardHeader,
    cache_root,
    load_manifest,
    locked,
    read_shard,
    shard_path,
    write_shard,
)

_LOG = logging.getLogger(__name__)


def obtain_shard(
    dataset: str,
    version: str,
    configuration: str,
    split: str,
    root: str | Path | None = None,
    context: BuildContext | None = None,
) -> Path:
    """Return the file of a split, whose content digest is the manifest's.

    In this order: the cache, the mirrors, a local build from the recipe. Several processes
    may ask at once; one works and the others wait.

    Parameters
    ----------
    dataset, version, configuration, split : str
        Names, as ``precondbench list`` prints them.
    root : path-like, optional
        Cache folder; by default ``PRECONDBENCH_CACHE``, else the platform's.
    context : BuildContext, optional
        Source of real matrices, workers and progress of a local build; ``root`` overrides
        its cache folder.

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
    target = shard_path(folder, *plan.names, entry.content_digest)
    if target.is_file():
        return target
    reasons: list[str] = []
    fetched = Offers(manifest).fetch(*plan.names, folder, reasons=reasons)
    if fetched is not None:
        return fetched
    with locked(target):
        # Another process may have built it while this one waited.
        if not target.is_file():
            _remove_leftovers(target)
            _LOG.info("building %s in %s", plan.path_name, target)
            try:
                build_plan(plan, target, entry.content_digest, context)
            except MissingDataError as error:
                raise MissingDataError(f"{error}; mirrors: {'; '.join(reasons)}") from None
    return target


def _remove_leftovers(target: Path) -> None:
    """Delete what killed builds of this file left; the caller holds its lock."""
    for leftover in target.parent.glob(f".*{target.name}.*"):
        if leftover.suffix in {".part", ".building"}:
            leftover.unlink(missing_ok=True)


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
    records = counted(plan.records(context), plan.count, context.progress)
    building = target.with_name(f".{target.name}.building")
    try:
        digest = write_shard(building, header, records)
        if expected_digest is not None and digest != expected_digest:
            raise DigestError(
                f"{plan.path_name} built here has content digest {digest}, the manifest says "
                f"{expected_digest}: this machine or library computes other bits. Run "
                f"'precondbench build check {plan.dataset}' and report what it names"
            )
        building.replace(target)
    finally:
        building.unlink(missing_ok=True)
    return digest


def counted(
    records: Iterator[Record], total: int, progress: Callable[[int, int, str], None] | None
) -> Iterator[Record]:
    """Pass records on and report how many there were."""
    for done, record in enumerate(records, start=1):
        yield record
        if progress is not None:
            progress(done, total, record.name)


@dataclass(frozen=True)
class CachedSplit:
    """The place of a split in the cache; digests are those of the manifest."""

    plan: SplitPlan
    path: Path
    content_digest: str
    facts_digest: str | None


def cached_splits(plans: Iterable[SplitPlan], root: str | Path | None = None) -> list[CachedSplit]:
    """Return the places of splits in the cache, whether there is a file or not."""
    manifest = load_manifest()
    found = []
    for plan in plans:
        entry = manifest.split(*plan.names)
        path = shard_path(cache_root(root), *plan.names, entry.content_digest)
        found.append(CachedSplit(plan, path, entry.content_digest, entry.facts_digest))
    return found


def shard_fault(path: Path, published: CachedSplit | None = None, *, deep: bool = False) -> str:
    """Describe what is wrong with a shard file; empty if nothing is.

    Compares it with the published digests, if they are given. With ``deep`` the digest of every
    record is computed again.
    """
    try:
        shard = read_shard(path)
        if published is not None:
            if shard.content_digest != published.content_digest:
                raise ShardError(
                    f"content digest {shard.content_digest}, not {published.content_digest}"
                )
            facts = published.facts_digest
            if deep and facts is not None and shard.facts_digest() != facts:
                raise ShardError("facts (iterations, winners, ...) differ from the manifest's")
        if deep:
            shard.verify()
    except ShardError as error:
        return str(error)
    return ""


def download_split(
    plan: SplitPlan,
    offers: Offers,
    root: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Bring a split from the mirrors into the cache, without building it here.

    Raises MissingDataError if none has it; the message gives the reason for each.
    """
    reasons: list[str] = []
    path = offers.fetch(*plan.names, root, progress=progress, reasons=reasons)
    if path is None:
        raise MissingDataError(
            f"no mirror has {plan.path_name}: {'; '.join(reasons)}. To build it here, "
            f"run 'precondbench build splits {plan.dataset} --version {plan.version}'"
        )
    return path
