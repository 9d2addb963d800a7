"""A new model is one file and one line in the registry."""

import os
import shutil
import subprocess
import sys

import pytest

from house import ROOT

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

USE = """
from precondbench import SyntheticTridiag, evaluate
from precondbench.baselines import (
    TrainingConfiguration, load_model, model_names, model_summary, predict, train
)
assert "NewModel" in model_names() and model_summary("NewModel")
sets = {split: SyntheticTridiag(split=split, config="uniform")[:4] for split in ("train", "val")}
settings = TrainingConfiguration(model="NewModel", rounds=2, epochs=1, device="cpu")
result = train(sets["train"], sets["val"], settings, out_dir="run")
before = predict(result.model, sets["val"])
after = predict(load_model("run/checkpoint.safetensors"), sets["val"])
assert all((before[name] == after[name]).all() for name in before)
assert evaluate(sets["val"], before).summary["matrices"] == 4
"""


@pytest.mark.parametrize("source", [NETWORK, NODE_MODEL], ids=["network", "node-model"])
def test_one_file_and_one_line(tmp_path, source):
    copy = tmp_path / "src" / "precondbench"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("__pycache__"))
    manifest = ROOT.parents[1] / "data_manifest.json"
    if manifest.is_file():  # A checkout; an installed package holds its manifest.
        shutil.copy(manifest, tmp_path)
    (copy / "baselines" / "new_model.py").write_text(source.lstrip(), encoding="utf-8")
    registry = copy / "baselines" / "registry.py"
    text = registry.read_text(encoding="utf-8")
    line = '    "NewModel": "new_model",\n'
    registry.write_text(
        text.replace("_BUILT_IN = {\n", f"_BUILT_IN = {{\n{line}"), encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, "-c", USE],
        env=dict(os.environ, PYTHONPATH=str(tmp_path / "src"), OMP_NUM_THREADS="1"),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
