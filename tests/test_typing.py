"""Annotations of the public names as seen by a user's type checker, ``mypy --strict``."""

import subprocess
import sys

import pytest

pytest.importorskip("mypy")
pytestmark = pytest.mark.long

GOOD = """
from scipy.sparse import csr_array

from precondbench import Pair, SuiteSparseInvK, SyntheticTridiag, evaluate, invk, k_condition, pcg
from precondbench.baselines import TrainingConfiguration, TrainingResult, train
from precondbench.errors import PrecondbenchError

data = SyntheticTridiag(split="val", config="uniform")
pair: Pair = data.pair(0)
factor: csr_array = invk(pair.A)
measure: float = k_condition(pair.A, factor).n_log_k
count: int = pcg(pair.A, [1.0] * pair.A.shape[0], factor).iterations
rows: dict[str, object] = dict(evaluate(data, invk).summary)
configuration = TrainingConfiguration(model="MLP", epochs=1)
result: TrainingResult = train(data, data, configuration)
name: str = SuiteSparseInvK(split="test", version="sample").pair(0).name
"""
WRONG = """
from precondbench import SyntheticTridiag, k_condition

data = SyntheticTridiag(split="val", config="uniform")
measure: str = k_condition(data.pair(0).A, data.pair(0).L).n_log_k
"""


def check(text, folder):
    file = folder / "of_a_user.py"
    file.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(folder / "cache")]
    config = folder / "mypy.ini"
    # SciPy has no types of its own.
    config.write_text("[mypy]\n[mypy-scipy.*]\nignore_missing_imports = True\n")
    done = subprocess.run(
        [*command, "--config-file", str(config), file.name],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout + done.stderr


def test_public_names_are_typed(tmp_path):
    code, said = check(GOOD, tmp_path)
    assert code == 0, said


def test_a_wrong_type_is_found(tmp_path):
    code, said = check(WRONG, tmp_path)
    assert code == 1, said
    assert 'expression has type "float"' in said
