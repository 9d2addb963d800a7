"""A new factor, solver, family, network or classical row: one file and one line, nothing else."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass

import pytest

from house import PRIVATE, ROOT
from precondbench.shards import load_manifest
from precondbench.shards.store.manifest import manifest_text

MIC0 = '''
"""MIC(0): incomplete Cholesky without fill-in that keeps row sums."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from precondbench.factors.incomplete.ic import broken_down
from precondbench.factors.patterns.triangular import lower_values, matrix_and_pattern


def mic0(A: Any) -> csr_array:
    """Modified incomplete Cholesky (Gustafsson 1978): fill-in goes to the diagonal."""
    matrix, pattern = matrix_and_pattern(A)
    L = pattern.csr(lower_values(matrix, pattern)).toarray()
    inside = pattern.csr(np.ones(pattern.nnz)).toarray() != 0
    for k in range(pattern.n):
        if not L[k, k] > 0.0:
            raise broken_down("MIC(0)", k, "use invk")
        L[k:, k] /= np.sqrt(L[k, k])
        below = k + 1 + np.flatnonzero(inside[k + 1 :, k])
        for j in below:
            for i in below[below >= j]:
                update = L[i, k] * L[j, k]
                if inside[i, j]:
                    L[i, j] -= update
                else:
                    L[i, i] -= update
                    L[j, j] -= update
    return pattern.csr(L[pattern.rows(), pattern.indices])
'''

RICHARDSON = '''
"""Richardson iteration."""

from __future__ import annotations

import numpy as np

from precondbench.matrices import check_general
from precondbench.solvers import PCGResult, Status
from precondbench.solvers.arguments import check_arguments, check_operator
from precondbench.solvers.solves import confirmed


def richardson(A, b, rtol=1e-8, maxiter=10_000, *, M) -> PCGResult:
    """Solve A x = b by x <- x + M (b - A x)."""
    matrix = check_general(A, "A")
    rhs = check_arguments(matrix, b, rtol, maxiter)[0][:, 0]
    apply = check_operator(matrix, M)
    x, norm = np.zeros(rhs.size), np.linalg.norm(rhs)
    for steps in range(maxiter + 1):
        residual = np.linalg.norm(rhs - matrix @ x) / norm
        if residual <= rtol:
            return PCGResult(x, steps, confirmed(Status.CONVERGED, residual, rtol), residual)
        x = x + apply(rhs - matrix @ x)
    return PCGResult(x, maxiter, Status.ITERATION_LIMIT, residual)
'''

USE_FACTOR = """
import numpy as np
from precondbench import Pair, evaluate, ic0, pcg
from precondbench.factors import mic0, reverse_cuthill_mckee
from precondbench.matrices import formula_matrix
from precondbench.solvers import after_reordering
A = formula_matrix("HB/gr_30_30")[:90, :90]
L = mic0(A)
assert np.allclose(L @ (L.T @ np.ones(90)), A @ np.ones(90))
assert pcg(A, np.ones(90), L).status == "converged"
assert pcg(A, np.ones(90), M=after_reordering(A, reverse_cuthill_mckee, mic0)).iterations > 0
class One:
    def __len__(self):
        return 1
    def pair(self, index):
        return Pair("grid", A, ic0(A))
assert evaluate(One(), mic0).rows[0].status == "converged"
try:
    mic0(np.array([[1.0, 2.0], [2.0, 1.0]]))
except ArithmeticError as error:
    assert error.column == 1
"""

USE_SOLVER = """
import numpy as np
from precondbench.matrices import formula_matrix
from precondbench.solvers import exact_cholesky, richardson
A = formula_matrix("HB/gr_30_30")[:90, :90]
result = richardson(A, np.ones(90), M=exact_cholesky(A))
assert result.status == "converged" and 0 < result.iterations < 4
"""

FAMILY = '''
"""Poisson matrices on an interval, as a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from precondbench.factors import ic0
from precondbench.matrices import interleave, poisson_1d, tridiagonal_csr, tridiagonal_pattern
from precondbench.recipes.spec import BuildContext, DatasetSpec, Version
from precondbench.shards import Record


@dataclass(frozen=True)
class PoissonBuilder:
    """Record i has i + 10 rows."""

    configurations = ("interval",)
    counts = {"train": 4, "val": 2, "test": 2}

    def splits(self, configuration: str) -> dict[str, int]:
        """Matrices of each split."""
        return self.counts

    def recipe(self, configuration: str, split: str) -> dict[str, object]:
        """The rows of the first matrix, and how many follow."""
        return {"kind": "poisson", "rows": 10, "count": self.counts[split]}

    def title(self, configuration: str, split: str) -> str:
        """Name of the configuration."""
        return configuration

    def records(self, configuration: str, split: str, context: BuildContext) -> Iterator[Record]:
        """Matrices with their Cholesky factors."""
        for i in range(self.counts[split]):
            A = poisson_1d(i + 10)
            L = ic0(tridiagonal_csr(A)).data
            indptr, indices = tridiagonal_pattern(i + 10)
            labels = {"modified": L, "literal": L}
            yield Record(f"{split}-{i:05d}", "poisson", indptr, indices, interleave(A), labels, {})


SPECS = (
    DatasetSpec(
        name="poisson",
        title="Poisson",
        versions=(Version("1.0", "Poisson matrices on an interval", PoissonBuilder()),),
        labels=("modified", "literal"),
        default_configuration="interval",
        served_by="FactorDataset",
    ),
)
'''

USE_FAMILY = """
import precondbench
from pathlib import Path
from typer.testing import CliRunner
from precondbench import evaluate, ic0
from precondbench.cli import app
from precondbench.datasets import open_dataset
manifest = Path(precondbench.__file__).with_name("data_manifest.json")
def run(*arguments):
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    return done.output
run("build", "manifest", "poisson", str(manifest))
assert run("list", "poisson", "--json").count('"split"') == 3
data = open_dataset("poisson", "train")
assert len(data) == 4 and data[3].x.shape == (13, 1)
assert evaluate(data, ic0).summary["iterations_mean"] == 1.0
"""

NETWORK = '''
"""L_ij = A_ij / (A_jj + shift)^(1/2), with a shift to learn."""

import torch

from precondbench.baselines.base import Network


class NewModel(Network):
    """The 0-hop rule with a shift."""

    raw_features = True

    def __init__(self, rounds, width):
        super().__init__(rounds, width)
        self.shift = torch.nn.Parameter(torch.tensor(0.5))

    def forward(self, batch):
        column, _ = batch.lower_ends
        return batch.lower_entries / (batch.x[column, 0] + self.shift).sqrt()
'''

NODE_MODEL = '''
"""A node model without exchange between nodes."""

from precondbench.baselines.message_passing.graph_network import NodeModel, mlp


class NewModel(NodeModel):
    """h_i <- h_i + f(h_i)."""

    def __init__(self, width):
        super().__init__()
        self.update = mlp(width, width, width)

    def forward(self, h, edge_index, e, batch):
        return h + self.update(h)
'''

USE_NETWORK = """
from precondbench import SyntheticTridiag, evaluate
from precondbench.baselines import (
    TrainingConfiguration, load_model, model_names, model_summary, predict, train
)
assert "NewModel" in model_names() and model_summary("NewModel")
sets = {
    split: SyntheticTridiag.generate(n=8, count=4, seed=seed)
    for seed, split in enumerate(("train", "val"))
}
settings = TrainingConfiguration(model="NewModel", rounds=2, epochs=1, device="cpu")
result = train(sets["train"], sets["val"], settings, out_dir="run")
before = predict(result.model, sets["val"])
after = predict(load_model("run/checkpoint.safetensors"), sets["val"])
assert all((before[name] == after[name]).all() for name in before)
assert evaluate(sets["val"], before).summary["matrices"] == 4
"""

ROW = '''
"""Diagonal scaling by row sums."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array, diags_array

from precondbench.leaderboard.methods.row import ReferenceMethod


def row_sums(A: csr_array) -> csr_array:
    """Square roots of the row sums of |A|."""
    return csr_array(diags_array(np.sqrt(abs(A).sum(axis=1))))


ROWS = (ReferenceMethod("row sums", row_sums, "The row sums of |A|.", quick=True),)
'''

USE_ROW = """
from precondbench import SyntheticTridiag, evaluate
from precondbench.leaderboard import track_named
from precondbench.leaderboard.methods.registry import reference_rows
row = reference_rows(track_named("synthetic-tridiag-1.0-uniform-test"))["row sums"]
assert evaluate(SyntheticTridiag.generate(n=8, count=2), row).summary["solved"] == 1.0
"""


@dataclass(frozen=True)
class Case:
    """A file, the line that makes it known, where the line goes, and a program that needs both."""

    file: str
    source: str
    line: str
    registry: str
    before: str
    use: str


CASES = {
    "factor": Case(
        "factors/incomplete/mic.py",
        MIC0,
        "from .incomplete.mic import mic0 as mic0\n",
        "factors/__init__.pyi",
        f"\n{PRIVATE}",
        USE_FACTOR,
    ),
    "solver": Case(
        "solvers/stationary.py",
        RICHARDSON,
        "from .stationary import richardson as richardson\n",
        "solvers/__init__.pyi",
        f"\n{PRIVATE}",
        USE_SOLVER,
    ),
    "family": Case(
        "recipes/poisson.py",
        FAMILY,
        '    "poisson",\n',
        "recipes/registry.py",
        ")\n_SPECS",
        USE_FAMILY,
    ),
    "network": Case(
        "baselines/new_model.py",
        NETWORK,
        '    "NewModel": "new_model",\n',
        "baselines/registry.py",
        '    "PatchNetwork":',
        USE_NETWORK,
    ),
    "node-model": Case(
        "baselines/new_model.py",
        NODE_MODEL,
        '    "NewModel": "new_model",\n',
        "baselines/registry.py",
        '    "PatchNetwork":',
        USE_NETWORK,
    ),
    "row": Case(
        "leaderboard/methods/row_sums.py",
        ROW,
        '    "row_sums",\n',
        "leaderboard/methods/registry.py",
        ")\nROWS",
        USE_ROW,
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_one_file_and_one_line(tmp_path, case):
    copy = tmp_path / "precondbench"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "data_manifest.json").write_text(manifest_text(load_manifest()), encoding="utf-8")
    (copy / case.file).write_text(case.source.lstrip(), encoding="utf-8")
    registry = copy / case.registry
    text = registry.read_text(encoding="utf-8")
    assert text.count(case.before) == 1
    changed = text.replace(case.before, case.line + case.before)
    assert len(changed.splitlines()) == len(text.splitlines()) + 1
    registry.write_text(changed, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", case.use],
        env=dict(
            os.environ,
            PYTHONPATH=str(tmp_path),
            PRECONDBENCH_CACHE=str(tmp_path / "cache"),
            NUMBA_DISABLE_JIT="1",
        ),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
