"""Time from a shard to a PyG dataset, compared with standard PyG processing of a Python list.

All start from the same shard and end with a dataset whose items can be indexed, 1000 graphs of
50 nodes. The standard method is that of the PyG documentation: read the records into a Python list
of SciPy pairs, make a list of ``Data`` objects, ``InMemoryDataset.collate``, ``save``, ``load``.
"Cold" has no processed tensors; "cold, list given" leaves out reading the records into the list;
"warm" is standard PyG reading its processed tensors back. precondbench stores no processed tensors.

    python benchmarks/loading.py [--repeat 5] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
import torch_geometric
from scipy.sparse import csr_array, tril
from torch_geometric.data import Data, InMemoryDataset

from precondbench import SyntheticTridiag
from precondbench.shards import read_shard


class Stock(InMemoryDataset):
    """The same graphs with standard PyG processing."""

    pairs: ClassVar[list] = []
    shard_path: Path

    def __init__(self, root: str) -> None:
        super().__init__(root, log=False)
        self.load(self.processed_paths[0])

    @property
    def processed_file_names(self) -> list[str]:
        """One file."""
        return ["data.pt"]

    def process(self) -> None:
        """Read the records if necessary, convert pair by pair, collate, save."""
        pairs = self.pairs or read_pairs(self.shard_path)
        self.save([self.graph(name, A, L) for name, A, L in pairs], self.processed_paths[0])

    @staticmethod
    def graph(name: str, A, L) -> Data:
        """Convert one pair."""
        coo = A.tocoo()
        target, source = torch.as_tensor(coo.row).long(), torch.as_tensor(coo.col).long()
        return Data(
            x=torch.as_tensor(A.diagonal(), dtype=torch.float32)[:, None],
            edge_index=torch.stack([source, target]),
            edge_attr=torch.stack(
                [torch.as_tensor(coo.data).float(), torch.sign(target - source).float()], dim=1
            ),
            y=torch.as_tensor(L.data),
            lower_mask=target >= source,
            name=name,
        )


def read_pairs(path: Path) -> list:
    """Read a shard record by record into SciPy pairs."""
    shard = read_shard(path)
    pairs = []
    for i in range(len(shard)):
        record = shard.record(i)
        shape = (record.n, record.n)
        lower = csr_array((record.a, record.indices, record.indptr), shape=shape)
        L = csr_array((record.labels["modified"], record.indices, record.indptr), shape=shape)
        pairs.append((record.name, csr_array(lower + tril(lower, k=-1).T), L))
    return pairs


def timed(function) -> tuple[float, object]:
    """Return seconds and result."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def main() -> None:
    """Run and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--json", help="also write the figures to this file")
    arguments = parser.parse_args()
    seconds: dict[str, list[float]] = {
        key: [] for key in ("stock cold", "stock cold, list given", "stock warm", "ours")
    }
    with tempfile.TemporaryDirectory() as folder:
        ours = SyntheticTridiag(folder)
        Stock.shard_path = ours.shard_path
        pairs = read_pairs(ours.shard_path)
        stock = Stock(f"{folder}/first")
        for i in (0, 500, 999):
            for key in ("x", "edge_index", "edge_attr", "y", "lower_mask"):
                assert torch.equal(ours[i][key], stock[i][key]), key
        for turn in range(arguments.repeat):
            root = f"{folder}/stock-{turn}"
            Stock.pairs = []
            seconds["stock cold"].append(timed(lambda root=root: Stock(root)[0])[0])
            seconds["stock warm"].append(timed(lambda root=root: Stock(root)[0])[0])
            Stock.pairs = pairs
            seconds["stock cold, list given"].append(
                timed(lambda root=root: Stock(root + "b")[0])[0]
            )
            seconds["ours"].append(timed(lambda: SyntheticTridiag(folder)[0])[0])
    median = {key: float(np.median(values)) for key, values in seconds.items()}
    result = {
        **{f"{key}, ms": 1e3 * value for key, value in median.items()},
        "cold ratio": median["stock cold"] / median["ours"],
        "cold ratio, list given": median["stock cold, list given"] / median["ours"],
        "warm ratio": median["stock warm"] / median["ours"],
        "torch": torch.__version__,
        "torch_geometric": torch_geometric.__version__,
    }
    for key, value in result.items():
        print(f"{key:28} {value:.1f}" if isinstance(value, float) else f"{key:28} {value}")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
