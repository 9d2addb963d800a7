"""Rebuild splits in memory, and compare their digests with the manifest's or add them to it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from precondbench.errors import DigestError
from precondbench.matrices import catalogue
from precondbench.recipes.building.obtain import counted
from precondbench.recipes.building.tasks import PartStore, factor_all
from precondbench.recipes.registry import all_plans, dataset_spec
from precondbench.recipes.spec import BuildContext, SplitPlan
from precondbench.recipes.suitesparse import (
    candidates,
    family,
    left_out_by_index,
    release_plans,
    split_of_family,
    tasks_for,
)
from precondbench.shards import (
    Manifest,
    Record,
    SourceEntry,
    facts_digest,
    read_shard,
    record_digest,
    shard_path,
    split_digest,
)

# Of the collection.
LICENCE = "CC-BY-4.0"


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
        digests, facts = _digests(plan, replace(context, root=Path(scratch)))
    digest = split_digest(digests.values())
    if digest == expected:
        same_facts = entry.facts_digest in (None, facts)
        return CheckResult(plan, digest, expected, "" if same_facts else "facts", same_facts)
    published = shard_path(context.folder, *plan.names, expected)
    first = ""
    if published.is_file():
        pairs = zip(digests.items(), read_shard(published).record_digests, strict=False)
        first = next((name for (name, ours), theirs in pairs if ours != theirs), "")
    return CheckResult(plan, digest, expected, first)


def _digests(plan: SplitPlan, context: BuildContext) -> tuple[dict[str, str], str]:
    """Build a split, and return the digest of each record by name, and that of all facts."""
    digests, facts = {}, []
    for record in counted(plan.records(context), plan.count, context.progress):
        digests[record.name] = record_digest(record)
        facts.append(record.facts)
    return digests, facts_digest(facts)


def golden_manifest(
    base: Manifest,
    plans: Iterable[SplitPlan] | None = None,
    context: BuildContext | None = None,
) -> Manifest:
    """Return a manifest with freshly computed digests of the given splits (default: all).

    A digest that is already there is never replaced: published content does not change, a
    new version is made instead.

    Parameters
    ----------
    base : Manifest
        The manifest to fill in.
    plans : iterable of SplitPlan, optional
        By default all.
    context : BuildContext, optional
        Where matrices come from and who does the work; by default this process.

    Returns
    -------
    Manifest
        A new one.

    Raises
    ------
    DigestError
        If a split that the manifest knows now has another digest.
    """
    context = context or BuildContext()
    data: dict[str, Any] = base.model_dump(mode="json")
    for plan in all_plans() if plans is None else plans:
        digests, facts = _digests(plan, context)
        digest = split_digest(digests.values())
        version = data["datasets"].setdefault(plan.dataset, {})
        version = version.setdefault(plan.version, _version_entry(plan))
        configuration = version["configurations"].setdefault(
            plan.configuration, {"recipe": {"splits": {}}, "splits": {}}
        )
        known = configuration["splits"].setdefault(
            plan.split, {"records": plan.count, "content_digest": digest, "shards": []}
        )
        if known["content_digest"] != digest:
            raise DigestError(
                f"{plan.path_name} has digest {digest} but the manifest says "
                f"{known['content_digest']}; published content never changes: make a new version"
            )
        known["facts_digest"] = facts
        configuration["recipe"]["splits"][plan.split] = plan.recipe
    return Manifest.model_validate(data)


def golden_sources(context: BuildContext) -> list[SourceEntry]:
    """Say what becomes of each of the 161 candidates, by building all that the source holds.

    Parameters
    ----------
    context : BuildContext
        Where matrices come from and who does the work.

    Returns
    -------
    list of SourceEntry
        One a candidate.
    """
    store = PartStore(context.folder / "parts")
    tried = candidates()
    results = factor_all(tasks_for(tried, context), store, context.executor, context.progress)
    by_name = {result.name: result for result in results}
    entries = []
    for entry in catalogue():
        result = by_name.get(entry.full_name)
        outcome = left_out_by_index(entry) if result is None else result.outcome
        record = result.record if result is not None else None
        entries.append(
            SourceEntry(
                name=entry.name,
                group=entry.group,
                licence=LICENCE,
                matrix_id=entry.matrix_id,
                n=entry.rows,
                nnz=entry.nnz,
                kind=entry.kind,
                family=family(entry.name),
                split=split_of_family(family(entry.name)),
                outcome="not verified" if outcome == "not in the mirror" else outcome,
                matrix_digest=(result.matrix_digest or None) if result is not None else None,
                labels={} if record is None else label_digests(record),
            )
        )
    return entries


def updated_manifest(
    base: Manifest, dataset: str, plans: Iterable[SplitPlan], context: BuildContext
) -> Manifest:
    """Return the manifest with digests of these splits; for real data with new sources first.

    The sources decide which matrices a split of the real benchmark holds, so its plans are made
    anew from them.
    """
    if not dataset_spec(dataset).from_collection:
        return golden_manifest(base, plans, context)
    manifest = base.model_copy(update={"sources": golden_sources(context)})
    return golden_manifest(manifest, release_plans(manifest.sources), context)


def label_digests(record: Record) -> dict[str, str]:
    """Sha256 of each existing label's float64 values, little-endian."""
    return {
        label: hashlib.sha256(values.astype("<f8").tobytes()).hexdigest()
        for label, values in record.labels.items()
        if values is not None
    }


def _version_entry(plan: SplitPlan) -> dict[str, Any]:
    versions = dataset_spec(plan.dataset).versions
    (version,) = (v for v in versions if v.name == plan.version)
    return {
        "reproducible": "bitwise",
        "licence": version.licence,
        "description": version.description,
        "configurations": {},
    }
