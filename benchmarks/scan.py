"""Time of the parallel scan of MoebiusScan and of the sequential loop by the number of rows.

Both compute the running products of 8 heads of 2 x 2 matrices of one matrix with n rows, in
float32, forwards alone and with the gradient; the loop takes one step per row. Ratios of medians of
one run.

    python benchmarks/scan.py [--json FILE] [--device cpu|cuda] [--figure FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from precondbench.baselines.recurrences import normalised_product, prefix_products
from precondbench.baselines.training.run_directory import describe_environment

ROWS = [100, 300, 1000, 3000, 10_000, 30_000, 100_000]
HEADS = 8
# The loop is not run beyond this many rows with gradients: autograd holds every step.
MOST_SEQUENTIAL = 10_000


def sequential_products(matrices: Tensor) -> Tensor:
    """One product after the other, in n steps."""
    products = [matrices[:, 0]]
    for i in range(1, matrices.shape[1]):
        products.append(normalised_product(matrices[:, i], products[-1]))
    return torch.stack(products, dim=1)


def seconds(products, matrices: Tensor, gradient: bool, repeats: int) -> float:
    """Median time of one evaluation."""
    times = []
    for _ in range(repeats + 1):
        given = matrices.clone().requires_grad_(gradient)
        synchronise(matrices)
        start = time.perf_counter()
        result = products(given)
        if gradient:
            result.sum().backward()
        synchronise(matrices)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def synchronise(matrices: Tensor) -> None:
    """Wait for the device."""
    if matrices.is_cuda:
        torch.cuda.synchronize()


def measure(device: str, sizes: Iterable[int] = ROWS) -> Iterator[dict]:
    """All sizes, both methods in turn."""
    for n in sizes:
        matrices = torch.randn(1, n, HEADS, 2, 2, generator=torch.Generator().manual_seed(n))
        matrices = matrices.to(device)
        for gradient in (False, True):
            row = {"n": n, "gradient": gradient}
            row["scan"] = seconds(prefix_products, matrices, gradient, 9)
            if n <= MOST_SEQUENTIAL:
                row["loop"] = seconds(sequential_products, matrices, gradient, 3)
                row["loop_over_scan"] = row["loop"] / row["scan"]
            yield row


def figure(rows: list[dict], path: Path, device: str) -> None:
    """Both methods over n, with lines of slope one and of log n."""
    from matplotlib.figure import Figure

    chosen = [row for row in rows if not row["gradient"]]
    n = [row["n"] for row in chosen]
    fig = Figure(figsize=(6, 4), layout="constrained")
    axes = fig.subplots()
    axes.loglog(n, [1e3 * row["scan"] for row in chosen], "o-", label="scan")
    loop = [row for row in chosen if "loop" in row]
    axes.loglog([r["n"] for r in loop], [1e3 * r["loop"] for r in loop], "s-", label="loop")
    first = chosen[0]
    logs = [torch.log2(torch.tensor(float(k))).item() for k in n]
    axes.loglog(n, [1e3 * first["scan"] * k / logs[0] for k in logs], ":", label="log n")
    axes.loglog(n, [1e3 * first["scan"] * k / n[0] for k in n], "--", label="n")
    axes.set(xlabel="rows n", ylabel="milliseconds", title=f"Products of {HEADS} heads, {device}")
    axes.grid(True, which="major", alpha=0.3)
    axes.legend()
    fig.savefig(path, metadata={"Date": None})


def main() -> None:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for row in measure(options.device):
        print(row, flush=True)
        rows.append(row)
    environment = describe_environment(torch.device(options.device), 1)
    if options.json:
        found = {"environment": environment, "rows": rows}
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    if options.figure:
        figure(rows, options.figure, environment.get("device_name") or options.device)


if __name__ == "__main__":
    main()
