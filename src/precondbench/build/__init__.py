"""Matrices + factors + quality -> shards: recipes, splits, and where a split comes from."""

from precondbench.build.context import BuildContext
from precondbench.build.factored import FactoredMatrix, factor_matrix
from precondbench.build.golden import CheckResult, check_plan, golden_manifest, golden_sources
from precondbench.build.obtain import build_plan, obtain_shard
from precondbench.build.parts import process_pool
from precondbench.build.plan import SplitPlan, all_plans, newest_version, select_plans, split_plan

__all__ = [
    "BuildContext",
    "CheckResult",
    "FactoredMatrix",
    "SplitPlan",
    "all_plans",
    "build_plan",
    "check_plan",
    "factor_matrix",
    "golden_manifest",
    "golden_sources",
    "newest_version",
    "obtain_shard",
    "process_pool",
    "select_plans",
    "split_plan",
]
