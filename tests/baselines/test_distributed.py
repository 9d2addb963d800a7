"""Training with two processes gives the result of one."""

import json
import os
import subprocess
import sys

import pytest
import torch

from precondbench.baselines.training.distributed import Ranks

# A file in place of torchrun's TCP store, and Gloo on the loopback device: nothing listens
# to the network.
SCRIPT = """
import sys
import torch
import torch.distributed as dist

rank, world, store, out, settings = int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)
import json
from precondbench import SyntheticTridiag
from precondbench.baselines import TrainingConfiguration, train

data = SyntheticTridiag(split="val", config="uniform")
sizes = SyntheticTridiag(split="test_large", config="uniform")
train_set = [*data[:52], *sizes[:5]]
configuration = TrainingConfiguration(**json.loads(settings))
said = []
result = train(train_set, data[100:123], configuration, out_dir=out, resume=True,
               progress=said.append)
weights = torch.cat([p.flatten() for p in result.model.state_dict().values()]).double()
print(json.dumps({"history": result.history, "weights": weights.tolist(), "said": len(said)}))
dist.destroy_process_group()
"""


def trained(world, folder, environment, **settings):
    folder.mkdir()
    settings = json.dumps({"rounds": 2, "epochs": 3, "batch_size": 8, "device": "cpu"} | settings)
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                SCRIPT,
                str(rank),
                str(world),
                folder / "store",
                folder / "run",
                settings,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for rank in range(world)
    ]
    outputs = []
    for process in processes:
        out, error = process.communicate(timeout=120)
        assert process.returncode == 0, error
        outputs.append(json.loads(out.splitlines()[-1]))
    return outputs


@pytest.fixture
def environment():
    return {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}


def losses(output):
    return [(r["loss"], r["validation_loss"]) for r in output["history"]]


@pytest.mark.skipif(sys.platform != "linux", reason="Gloo's loopback device is called lo on Linux")
@pytest.mark.parametrize(
    "settings", [{}, pytest.param({"model": "GEN", "max_edges": 500}, marks=pytest.mark.long)]
)
def test_two_processes_take_the_steps_of_one(tmp_path, environment, settings):
    (alone,) = trained(1, tmp_path / "one", environment, **settings)
    first, second = trained(2, tmp_path / "two", environment, **settings)
    # Only the order of sums differs. The last batch has one graph: the second has nothing to do.
    for ours, theirs in zip(losses(first), losses(alone), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-6)
    torch.testing.assert_close(
        torch.tensor(first["weights"]), torch.tensor(alone["weights"]), rtol=1e-3, atol=1e-4
    )
    assert first["weights"] == second["weights"]
    assert losses(first) == losses(second)
    # One process speaks and writes.
    assert (first["said"], second["said"]) == (3, 0)
    run = tmp_path / "two" / "run"
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 3
    assert json.loads((run / "environment.json").read_text())["processes"] == 2


def test_shares_are_disjoint_and_complete():
    graphs = torch.arange(11)
    shares = [Ranks(rank, 3).share(graphs) for rank in range(3)]
    assert sorted(torch.cat(shares).tolist()) == list(range(11))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
