"""Matrices + factors + quality -> shards: recipes, splits, and where a split comes from."""

from precondbench.build.factored import FactoredMatrix, factor_matrix
from precondbench.build.golden import CheckResult, check_plan, golden_manifest
from precondbench.build.obtain import build_plan, obtain_shard
from precondbench.build.plan import SplitPlan, all_plans, select_plans, split_plan
from precondbench.build.suitesparse import factor_collection

__all__ = [
    "CheckResult",
    "FactoredMatrix",
    "SplitPlan",
    "all_plans",
    "build_plan",
    "check_plan",
    "factor_collection",
    "factor_matrix",
    "golden_manifest",
    "obtain_shard",
    "select_plans",
    "split_plan",
]
