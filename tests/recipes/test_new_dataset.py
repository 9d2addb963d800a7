"""A new dataset is a module with its spec and one line of the registry."""

from dataclasses import dataclass

import numpy as np
import pytest
import scipy.sparse as sp

import precondbench.recipes.registry as registry
from precondbench.cli import app
from precondbench.datasets import DataSelection, open_dataset
from precondbench.errors import ConfigurationError
from precondbench.matrices import check_spd_candidate
from precondbench.recipes import (
    DatasetSpec,
    check_plan,
    dataset_spec,
    factor_matrix,
    obtain_shard,
    select_plans,
)
from precondbench.recipes.building.golden import golden_manifest
from precondbench.recipes.spec import Version
from precondbench.shards import load_manifest

# -- what the new module holds --


@dataclass(frozen=True)
class ShiftedGrids:
    """Five-point Laplacians with a shift, of a few sizes."""

    configurations: tuple[str, ...] = ("small", "large")

    def splits(self, configuration):
        return {"train": 4, "val": 2, "test": 2}

    def recipe(self, configuration, split):
        return {"kind": "grids", "n": {"small": 4, "large": 6}[configuration], "split": split}

    def title(self, configuration, split):
        return f"{configuration}, {split}"

    def records(self, configuration, split, context):
        n = self.recipe(configuration, split)["n"]
        line = sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(n, n))
        grid = sp.kron(line, sp.eye_array(n)) + sp.kron(sp.eye_array(n), line)
        for k in range(self.splits(configuration)[split]):
            shifted = grid + (k + 1) / 8 * sp.eye_array(n * n)
            matrix = check_spd_candidate(sp.csr_array(shifted), "grid")
            yield factor_matrix(f"grids/{split}-{k}", matrix).record


SPEC = DatasetSpec(
    name="shifted-grids",
    title="Grids",
    versions=(Version("1.0", "Five-point Laplacians with a shift", ShiftedGrids()),),
    labels=("invk", "ic0"),
    default_configuration="small",
)

# -- what follows from the line in the registry --


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(registry, "_SPECS", (*registry._SPECS, SPEC))
    registry._all_plans.cache_clear()
    manifest = golden_manifest(load_manifest(), select_plans("shifted-grids"))
    for module in ("building.obtain", "building.cached", "suitesparse"):
        monkeypatch.setattr(f"precondbench.recipes.{module}.load_manifest", lambda: manifest)
    yield manifest
    monkeypatch.undo()
    registry._all_plans.cache_clear()


def test_it_is_listed_built_checked_and_served(registered, tmp_path):
    assert registered.datasets["shifted-grids"]["1.0"].description.startswith("Five-point")
    assert dataset_spec("shifted-grids").newest == "1.0"
    (plan,) = select_plans("shifted-grids", None, "large", "val")
    assert obtain_shard("shifted-grids", "1.0", "large", "val", tmp_path).is_file()
    assert check_plan(plan, registered).agrees
    data = open_dataset("shifted-grids", "train", root=tmp_path)
    assert (len(data), data.label, data[0].num_nodes) == (4, "invk", 16)
    pair = open_dataset("shifted-grids", "val", label="ic0", root=tmp_path).pair(1)
    assert np.linalg.norm((pair.L @ pair.L.T - pair.A).toarray()) < 2.0
    assert DataSelection(dataset="shifted-grids").resolved().configuration == "small"
    with pytest.raises(ConfigurationError, match=r"no label 'best'; there are: ic0, invk"):
        open_dataset("shifted-grids", "val", label="best", root=tmp_path)


def test_commands_know_it(registered, tmp_path):
    from typer.testing import CliRunner

    arguments = ["build", "splits", "shifted-grids", "--split", "val", "--root", str(tmp_path)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "shifted-grids/1.0/small/val" in done.stdout
    wrong = CliRunner().invoke(app, ["build", "splits", "shifted-grid"])
    assert "did you mean 'shifted-grids'?" in " ".join(wrong.output.split())
