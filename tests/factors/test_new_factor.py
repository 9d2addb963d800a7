"""A new factor and a new solver are one file and one line in the door each."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from house import PRIVATE, ROOT

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
from precondbench.solvers.solves import PCGResult, Status, check_arguments, check_operator, finished


def richardson(A, b, rtol=1e-8, maxiter=10_000, *, M) -> PCGResult:
    """Solve A x = b by x <- x + M (b - A x)."""
    matrix = check_general(A, "A")
    rhs = check_arguments(matrix, b, rtol, maxiter)
    apply = check_operator(matrix, M)
    x, norm = np.zeros(rhs.size), np.linalg.norm(rhs)
    for steps in range(maxiter + 1):
        residual = np.linalg.norm(rhs - matrix @ x) / norm
        if residual <= rtol:
            return finished(x, steps, Status.CONVERGED, residual, rtol)
        x = x + apply(rhs - matrix @ x)
    return finished(x, maxiter, Status.ITERATION_LIMIT, residual, rtol)
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


@pytest.mark.parametrize(
    ("file", "source", "name", "use"),
    [
        ("factors/incomplete/mic.py", MIC0, "mic0", USE_FACTOR),
        ("solvers/stationary.py", RICHARDSON, "richardson", USE_SOLVER),
    ],
    ids=["factor", "solver"],
)
def test_one_file_and_one_line(tmp_path, file, source, name, use):
    copy = tmp_path / "precondbench"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / file).write_text(source.lstrip(), encoding="utf-8")
    package, _, module = Path(file).with_suffix("").as_posix().partition("/")
    door = copy / package / "__init__.pyi"
    line = f"from .{module.replace('/', '.')} import {name} as {name}\n"
    text = door.read_text(encoding="utf-8")
    door.write_text(text.replace(f"\n{PRIVATE}", f"{line}\n{PRIVATE}"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(use)],
        env=dict(os.environ, PYTHONPATH=str(tmp_path), NUMBA_DISABLE_JIT="1"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
