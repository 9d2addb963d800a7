"""A new classical row is one file and one line in the registry of rows."""

import os
import shutil
import subprocess
import sys

from house import ROOT

SSOR = '''
"""SSOR as a factor."""

import numpy as np
from scipy.sparse import csr_array, diags_array, tril

from precondbench.leaderboard.methods.row import TRIL, ReferenceMethod


def ssor(A: csr_array) -> csr_array:
    """(D / w + E) (D / w)^-1/2 with w = 1.2."""
    d = A.diagonal() / 1.2
    return csr_array((diags_array(d) + tril(A, -1)) @ diags_array(1 / np.sqrt(d)))


ROWS = (ReferenceMethod("SSOR", ssor, "Over-relaxed.", on=frozenset({TRIL}), quick=True),)
'''

USE = """
from precondbench import Pair, evaluate, ic0
from precondbench.leaderboard import classical_methods, track_named
from precondbench.leaderboard.methods.registry import reference_rows
from precondbench.matrices import formula_matrix
A = formula_matrix("HB/gr_30_30")[:90, :90]
class One:
    def __len__(self):
        return 1
    def pair(self, index):
        return Pair("grid", A, ic0(A))
row = classical_methods(One().pair(0))["SSOR"]
assert evaluate(One(), row).rows[0].status == "converged"
assert "SSOR" in reference_rows(track_named("suitesparse-invk-1.0-tril-test"))
assert "SSOR" not in reference_rows(track_named("synthetic-tridiag-1.0-uniform-test"))
"""


def test_one_file_and_one_line(tmp_path):
    copy = tmp_path / "precondbench"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("__pycache__"))
    methods = copy / "leaderboard" / "methods"
    (methods / "relaxation.py").write_text(SSOR.lstrip(), encoding="utf-8")
    registry = methods / "registry.py"
    text = registry.read_text(encoding="utf-8")
    assert text.count('    "general",\n') == 1
    registry.write_text(text.replace('    "general",\n', '    "general",\n    "relaxation",\n'))
    done = subprocess.run(
        [sys.executable, "-c", USE],
        env=dict(os.environ, PYTHONPATH=str(tmp_path), NUMBA_DISABLE_JIT="1"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
