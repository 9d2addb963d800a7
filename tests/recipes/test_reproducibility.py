"""Content digests agree with the manifest for all CPU targets and numbers of threads."""

import os
import subprocess
import sys

import pytest

from precondbench.errors import DigestError
from precondbench.recipes import (
    FOLDED_VERSION,
    PARAMETRIC,
    SUITESPARSE,
    all_plans,
    check_plan,
    release_plans,
    select_plans,
)
from precondbench.recipes.building.golden import golden_manifest
from precondbench.recipes.suitesparse import ORDERS
from precondbench.shards import load_manifest

REBUILD = """
import json, sys
from precondbench.recipes import all_plans, check_plan
from precondbench.shards.store.manifest import load_manifest
manifest = load_manifest()
plans = [p for p in all_plans() if p.path_name in sys.argv[1:]]
print(json.dumps({p.path_name: check_plan(p, manifest).agrees for p in plans}))
"""


def test_every_split_is_in_the_manifest():
    manifest = load_manifest()
    for plan in all_plans():
        entry = manifest.split(plan.dataset, plan.version, plan.configuration, plan.split)
        assert entry.records == plan.count
        recipe = manifest.datasets[plan.dataset][plan.version].configurations[plan.configuration]
        assert recipe.recipe["splits"][plan.split] == plan.recipe


def check_digests(names, generic_cpu):
    """Rebuild splits in two processes, one for each target, and compare golden digests."""
    processes = {}
    for name, threads, settings in (
        ("generic CPU, one thread", "1", generic_cpu),
        ("this CPU, two threads", "2", {}),
    ):
        environment = {**os.environ, **settings}
        for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
            environment[variable] = threads
        processes[name] = subprocess.Popen(
            [sys.executable, "-c", REBUILD, *names],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
    for name, process in processes.items():
        output, _ = process.communicate(timeout=1800)
        assert process.returncode == 0, name
        results = __import__("json").loads(output)
        assert list(results) == names
        assert all(results.values()), (name, [key for key, good in results.items() if not good])


def drawn_or_formulas(plan):
    """Without families, which take an hour, and without what needs a mirror."""
    known = [
        *release_plans(),
        *select_plans(SUITESPARSE, FOLDED_VERSION),
        *select_plans(PARAMETRIC),
    ]
    return plan not in known


def is_quick(plan):
    """One split of each configuration: the others, and those in other orders, are made as it is."""
    return plan.split in ("val", "all") and plan.configuration not in ORDERS


REBUILT = [plan for plan in all_plans() if drawn_or_formulas(plan)]


def test_digests_in_two_processes_on_two_cpu_targets(generic_cpu):
    """Synthetic splits and the sample, but for those that the long tests rebuild."""
    names = [plan.path_name for plan in REBUILT if is_quick(plan)]
    rebuilt = {name.split("/")[2] for name in names}
    assert {plan.configuration for plan in REBUILT} == rebuilt | set(ORDERS)
    check_digests(names, generic_cpu)


def test_a_wrong_digest_is_seen():
    manifest = load_manifest()
    plan = next(plan for plan in all_plans() if plan.split == "val")
    data = manifest.model_dump(mode="json")
    split = data["datasets"][plan.dataset][plan.version]["configurations"][plan.configuration]
    split["splits"][plan.split]["content_digest"] = "0" * 64
    broken = type(manifest).model_validate(data)
    result = check_plan(plan, broken)
    assert not result.agrees
    with pytest.raises(DigestError, match="published content never changes"):
        golden_manifest(broken, [plan])


def test_a_new_split_is_added_to_a_manifest():
    empty = type(load_manifest())(schema_version=1)
    plan = next(plan for plan in all_plans() if plan.path_name.endswith("uniform/val"))
    made = golden_manifest(empty, [plan])
    golden = load_manifest().split(plan.dataset, plan.version, plan.configuration, plan.split)
    assert made.split(plan.dataset, plan.version, plan.configuration, plan.split) == golden


# Of families splits that take seconds: kernels, elements and meshes of all of them.
FAMILIES = [f"parametric/1.0/{name}/test_mesh" for name in ("jumps-2d", "mesh-2d")]


OTHERS = [plan.path_name for plan in REBUILT if not is_quick(plan)]


@pytest.mark.long
@pytest.mark.parametrize("names", [FAMILIES, OTHERS], ids=["families", "others"])
def test_digests_of_more_splits(names, generic_cpu):
    check_digests(names, generic_cpu)
