"""The manifest with new digests: what a maintainer does for a new split or version."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from precondbench.errors import DigestError
from precondbench.factors import LowerPattern
from precondbench.matrices import CollectionEntry, catalogue
from precondbench.recipes.building.label import FactoredMatrix
from precondbench.recipes.building.obtain import digests_of
from precondbench.recipes.building.tasks import PartStore, factor_all
from precondbench.recipes.folds import (
    family,
    joined_families,
    part_name,
    parts_of,
    pattern_signature,
    split_of_family,
)
from precondbench.recipes.registry import all_plans, dataset_spec, select_plans
from precondbench.recipes.spec import BuildContext, SplitPlan
from precondbench.recipes.suitesparse import (
    FOLDED_VERSION,
    RELEASE_VERSION,
    SUITESPARSE,
    CollectionBuilder,
    FoldedBuilder,
    candidates,
    folds_plans,
    left_out_by_index,
    release_plans,
)
from precondbench.shards import Manifest, Record, SourceEntry, split_digest

# Of the collection.
LICENCE = "CC-BY-4.0"


def golden_manifest(
    base: Manifest,
    plans: Iterable[SplitPlan] | None = None,
    context: BuildContext | None = None,
) -> Manifest:
    """Return a manifest with freshly computed digests of the given splits (default: all).

    A digest that is already there is never replaced: published content does not change. DigestError
    if a split that the manifest knows now has another digest.
    """
    context = context or BuildContext()
    data: dict[str, Any] = base.model_dump(mode="json")
    for plan in all_plans() if plans is None else plans:
        digests, facts = digests_of(plan, context)
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


def release_sources(context: BuildContext) -> list[SourceEntry]:
    """Return what becomes of each of the 161 candidates of version 1.0, by building them."""
    tried = candidates()
    results = _built(CollectionBuilder(), tried, context)
    families = {entry.full_name: family(entry.name) for entry in catalogue()}
    splits = {name: split_of_family(found) for name, found in families.items()}
    left_out = {entry.full_name: left_out_by_index(entry) for entry in catalogue()}
    return _sources(RELEASE_VERSION, catalogue(), results, left_out, families, splits)


def folds_sources(context: BuildContext) -> list[SourceEntry]:
    """Return what becomes of each of the 235 candidates of version 2.0, by building them.

    Of equal matrices the first is built.
    """
    entries = catalogue(None)
    diagonal = {entry.full_name for entry in entries if entry.nnz == entry.rows}
    tried = [entry for entry in entries if entry.full_name not in diagonal]
    results = _built(FoldedBuilder(), tried, context)
    left_out, first = dict.fromkeys(diagonal, "diagonal"), {"": ""}
    for name, result in results.items():
        same = first.setdefault(result.matrix_digest, name)
        if same not in {"", name}:
            detail = f"equal to {same}"
            results[name] = FactoredMatrix(name, "duplicate", detail, result.matrix_digest)
    records = {name: result.record for name, result in results.items()}
    families = joined_families(
        {entry.full_name: family(entry.name) for entry in entries},
        {
            name: pattern_signature(LowerPattern(record.indptr, record.indices))
            for name, record in records.items()
            if record is not None
        },
    )
    built = [name for name, result in results.items() if result.outcome == "built"]
    parts = parts_of(families[name] for name in built)
    splits = {name: part_name(parts[families[name]]) for name in built}
    return _sources(FOLDED_VERSION, entries, results, left_out, families, splits)


def _built(
    builder: CollectionBuilder, entries: Sequence[CollectionEntry], context: BuildContext
) -> dict[str, FactoredMatrix]:
    store = PartStore(context.folder / "parts")
    tasks = builder.tasks(entries, builder.configurations[0], context)
    results = factor_all(tasks, store, context.executor, context.progress)
    return {result.name: result for result in results}


def _sources(
    version: str,
    entries: Iterable[CollectionEntry],
    results: Mapping[str, FactoredMatrix],
    left_out: Mapping[str, str],
    families: Mapping[str, str],
    splits: Mapping[str, str],
) -> list[SourceEntry]:
    found = []
    for entry in entries:
        name = entry.full_name
        result = results.get(name)
        outcome = left_out[name] if result is None else result.outcome
        record = result.record if result is not None else None
        found.append(
            SourceEntry(
                name=entry.name,
                group=entry.group,
                licence=LICENCE,
                version=version,
                matrix_id=entry.matrix_id,
                n=entry.rows,
                nnz=entry.nnz,
                kind=entry.kind,
                family=families[name],
                split=splits.get(name, ""),
                outcome="not verified" if outcome == "not in the mirror" else outcome,
                matrix_digest=(result.matrix_digest or None) if result is not None else None,
                labels={} if record is None else label_digests(record),
            )
        )
    return found


def updated_manifest(
    base: Manifest,
    dataset: str,
    version: str,
    configuration: str | None,
    split: str | None,
    context: BuildContext,
) -> Manifest:
    """Return the manifest with digests of the splits that have these names.

    Of matrices of the collection the sources come first: they decide which a split holds.
    """
    found: dict[str, tuple[Any, Any]] = {
        RELEASE_VERSION: (release_sources, release_plans),
        FOLDED_VERSION: (folds_sources, folds_plans),
    }
    if dataset == SUITESPARSE and version in found:
        sources_of, plans_of = found[version]
        sources = sources_of(context)
        others = [entry for entry in base.sources if entry.version != version]
        ordered = sorted([*others, *sources], key=lambda entry: entry.version)
        return golden_manifest(
            base.model_copy(update={"sources": ordered}), plans_of(sources), context
        )
    return golden_manifest(base, select_plans(dataset, version, configuration, split), context)


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
