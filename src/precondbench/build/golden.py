"""Rebuild splits in memory and compare with, or write, the manifest's digests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from precondbench.build import suitesparse, synthetic
from precondbench.build.obtain import Progress, counted
from precondbench.build.plan import SplitPlan, all_plans
from precondbench.errors import DigestError
from precondbench.matrices import LAWS
from precondbench.shards import read_shard, record_digest, split_digest
from precondbench.shards.cache import cache_root, shard_path
from precondbench.shards.manifest import Manifest

__all__ = ["CheckResult", "check_plan", "golden_manifest"]

# The collection's licence; factors computed from its matrices go out under the same.
LICENCE = "CC-BY-4.0"
DESCRIPTIONS = {
    synthetic.DATASET: "Tridiagonal SPD matrices with exact, non-local Cholesky factors: "
    + ", ".join(LAWS),
    suitesparse.DATASET: "Inv-K and IC(0) factors of SuiteSparse matrices on the pattern of "
    "tril(A); the sample holds matrices that formulas reproduce entry for entry",
}


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
        compare with; else empty.
    """

    plan: SplitPlan
    digest: str
    expected: str
    first_difference: str = ""

    @property
    def agrees(self) -> bool:
        """Whether the rebuild has the manifest's digest."""
        return self.digest == self.expected


def check_plan(
    plan: SplitPlan,
    manifest: Manifest,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> CheckResult:
    """Rebuild a split without writing it and compare its digest with the manifest's."""
    expected = manifest.split(
        plan.dataset, plan.version, plan.configuration, plan.split
    ).content_digest
    names, digests = [], []
    for record in counted(plan.records(), plan.count, progress):
        names.append(record.name)
        digests.append(record_digest(record))
    digest = split_digest(digests)
    if digest == expected:
        return CheckResult(plan, digest, expected)
    published = shard_path(
        cache_root(root), plan.dataset, plan.version, plan.configuration, plan.split, expected
    )
    first = ""
    if published.is_file():
        shard = read_shard(published)
        pairs = zip(names, digests, shard.record_digests, strict=False)
        first = next((name for name, ours, theirs in pairs if ours != theirs), "")
    return CheckResult(plan, digest, expected, first)


def golden_manifest(base: Manifest, plans: Iterable[SplitPlan] | None = None) -> Manifest:
    """Return a manifest with freshly computed digests of the given splits (default: all).

    A digest that is already there is never replaced: published content does not change, a
    new version is made instead.

    Raises
    ------
    DigestError
        If a split that the manifest knows now has another digest.
    """
    data: dict[str, Any] = base.model_dump(mode="json")
    for plan in all_plans() if plans is None else plans:
        digest = split_digest([record_digest(record) for record in plan.records()])
        version = data["datasets"].setdefault(plan.dataset, {})
        version = version.setdefault(plan.version, _version_entry(plan.dataset))
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
        configuration["recipe"]["splits"][plan.split] = plan.recipe
    data["sources"] = _sources()
    return Manifest.model_validate(data)


def _version_entry(dataset: str) -> dict[str, Any]:
    return {
        "reproducible": "bitwise",
        "licence": LICENCE,
        "description": DESCRIPTIONS[dataset],
        "configurations": {},
    }


def _sources() -> list[dict[str, str]]:
    names = [name for matrices in suitesparse.SAMPLE_SPLITS.values() for name, _ in matrices]
    return [
        {"group": group, "name": name, "licence": LICENCE}
        for group, _, name in (full_name.partition("/") for full_name in names)
    ]
