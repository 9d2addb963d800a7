"""Splits in the cache: where they are, whether they are intact, and how to download them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from precondbench.errors import MissingDataError, ShardError
from precondbench.recipes.spec import SplitPlan
from precondbench.shards import Offers, cache_root, load_manifest, read_shard, shard_path


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
        names = (plan.dataset, plan.version, plan.configuration, plan.split)
        entry = manifest.split(*names)
        path = shard_path(cache_root(root), *names, entry.content_digest)
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
    names = (plan.dataset, plan.version, plan.configuration, plan.split)
    path = offers.fetch(*names, root, progress=progress, reasons=reasons)
    if path is None:
        raise MissingDataError(
            f"no mirror has {plan.path_name}: {'; '.join(reasons)}. To build it here, "
            f"run 'precondbench build {plan.dataset} --version {plan.version}'"
        )
    return path
