"""Draws of all families together."""

import pytest

from precondbench import ParametricInvK
from precondbench.errors import ConfigurationError
from precondbench.matrices import FAMILIES
from precondbench.recipes import MIXED, PARAMETRIC, select_plans
from precondbench.recipes.parametric import (
    ParametricBuilder,
    _common,
    _entropy,
    _parts,
    draw_tasks,
)
from precondbench.shards import ShardHeader, load_manifest, shard_in_memory


def test_all_families_have_as_many_matrices_in_every_split():
    plans = select_plans(PARAMETRIC, configuration=MIXED)
    assert [plan.split for plan in plans] == ["train", "val"]
    for plan in plans:
        of = plan.recipe["families"]
        assert [one["family"] for one in of] == list(FAMILIES)
        counts = {one["draws"] * one["systems_per_draw"] for one in of}
        assert len(counts) == 1
        assert counts.pop() * len(FAMILIES) == plan.count
        golden = load_manifest().split(PARAMETRIC, "1.0", MIXED, plan.split)
        assert golden.records == plan.count


def test_no_draw_is_one_of_another_split():
    builder = ParametricBuilder()
    seen = []
    for configuration in builder.configurations:
        for split in builder.splits(configuration):
            recipe = builder.recipe(configuration, split)
            seen += [tuple(one["entropy"]) for one in recipe.get("families", [recipe])]
    assert len(set(seen)) == len(seen)


def test_matrices_of_several_families_are_served_together():
    records = []
    for family, draws in _parts(MIXED)["val"]:
        task = draw_tasks(family, draws, _entropy(family, draws), f"mixed-val-{family.name}")[0]
        # The smallest of its sizes is enough.
        small = task.__class__(**{**vars(task), "rows": (100,)})
        records += [_common(record) for record in small.run()]
    header = ShardHeader(PARAMETRIC, "1.0", MIXED, "val", {}, "test")
    data = ParametricInvK(MIXED, "val", shard=shard_in_memory(header, records))
    assert len(data) == len(FAMILIES) + FAMILIES["sequence"].systems_per_draw - 1
    assert len(set(data.names)) == len(data)
    assert all(item.y is not None for item in data)
    assert {"h", "unknowns", "iterations_ic0", "best_method"} <= set(data.facts(0))
    assert "contrast" not in data.facts(1)
    assert data.earlier(len(data) - 1) == ()
    with pytest.raises(ConfigurationError, match="no coordinates"):
        ParametricInvK(MIXED, "val", shard=data.shard, geometry=True)
