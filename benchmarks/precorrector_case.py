"""Classical factors on the data of PreCorrector: diffusion-2d, 256 x 256, variance 1.1.

    python benchmarks/precorrector_case.py --json FILE [--draws 20]

Trifonov et al. (arXiv:2405.15557v3) publish 425 iterations with IC(0) and 179 with their learned
factor. What their code does (github.com/vltrifonov/PreCorrector, data/qtt.py, scipy_linsolve.py):

- k = exp(phi), phi Gaussian with covariance 1.1 exp(-(d / 0.05)^2) on the unit square, kept if
  max k / min k lies in [400, 1200];
- a five-point matrix that is divided by h^2; b and the start x0 of independent standard normal
  numbers;
- conjugate gradients until the recurrence residual satisfies ||r||_2 <= 1e-6, an absolute bound.

A is near 1e6 in norm, so the random start makes the first residual about 1e8, and the rule asks for
14 digits. Here the field, the grid and the rule are the same; the coefficient sits in the middle of
a cell, and the mean on a face is harmonic, where theirs is a mean of two cells of another grid.
Beside it: the rule of this benchmark, x0 = 0 and ||r|| <= 1e-8 ||b||, the worst of four
right-hand sides.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from precondbench import Pair, ic0, invk, pcg
from precondbench.factors import mic0
from precondbench.matrices import FAMILIES, DiscreteSystem, UniformStream
from precondbench.quality import problem_of

SIDE, VARIANCE, CONTRAST = 256, 1.1, (400.0, 1200.0)
ABSOLUTE, MOST = 1e-6, 10_000
PUBLISHED = {"IC(0)": 425, "PreCorrector": 179}
# A stream that no split uses.
SEED = 77_000

Factor = Callable[[sp.csr_array], sp.csr_array]
FACTORS: dict[str, Factor | None] = {
    "none": None,
    "Jacobi": lambda A: sp.csr_array(sp.diags_array(np.sqrt(A.diagonal()))),
    "IC(0)": ic0,
    "Inv-K": invk,
    **{
        f"MIC(0), w = {w:g}": lambda A, w=w: mic0(A, relaxation=w)
        for w in (0.9, 0.97, 0.99, 0.995, 1.0)
    },
}


def accepted(number: int) -> tuple[DiscreteSystem, int]:
    """Return a system whose contrast they would keep, and how many draws that took."""
    family = FAMILIES["diffusion-2d"]
    for attempt in range(1000):
        stream = UniformStream(family.stream, SEED, number, attempt)
        system = family.draw(stream, SIDE * SIDE, {"variance": VARIANCE})[0]
        k = system.coefficients
        if CONTRAST[0] <= k.max() / k.min() <= CONTRAST[1]:
            return system, attempt + 1
    raise RuntimeError("no draw has a contrast within the bounds")


def measured(number: int) -> dict[str, object]:
    """Iterations on one draw, by method, under both rules; None where a solve fails."""
    system, draws = accepted(number)
    n = system.A.shape[0]
    A = sp.csr_array(system.A * float(n))  # A row is then divided by the volume of its cell.
    random = UniformStream(SEED, number, 1)
    b, x0 = random.near_normal(n), random.near_normal(n)
    # From x0 on, A x = b is A (x - x0) = b - A x0 from zero on.
    residual = b - A @ x0
    rtol = ABSOLUTE / float(np.linalg.norm(residual))
    problem = problem_of(Pair(f"draw {number}", system.A, ic0(system.A)))
    theirs, ours = {}, {}
    for name, factor in FACTORS.items():
        L = None if factor is None else factor(system.A)
        # n is a power of four, so L sqrt(n) is the factor of A to the bit.
        result = pcg(A, residual, None if L is None else L * float(SIDE), rtol=rtol, maxiter=MOST)
        theirs[name] = result.iterations if result.status == "converged" else None
        outcome = problem.solve(None if L is None else problem.place(L))
        ours[name] = outcome.iterations if outcome.status == "converged" else None
        print(number, name, theirs[name], ours[name], flush=True)
    k = system.coefficients
    return {
        "contrast": float(k.max() / k.min()),
        "draws": draws,
        "digits": -float(np.log10(rtol)),
        "iterations": {"absolute": theirs, "relative": ours},
    }


def summary(rows: list[dict[str, object]]) -> dict[str, dict[str, float | None]]:
    """Mean iterations by rule and method; None where a solve failed."""
    means = {}
    for rule in ("absolute", "relative"):
        means[rule] = {}
        for name in FACTORS:
            counts = [row["iterations"][rule][name] for row in rows]
            means[rule][name] = None if None in counts else round(sum(counts) / len(counts), 1)
    return means


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=20)
    options = parser.parse_args()
    case = {"side": SIDE, "variance": VARIANCE, "contrast": CONTRAST, "absolute": ABSOLUTE}
    rows: list[dict[str, object]] = []
    for number in range(options.draws):
        rows.append(measured(number))
        content = {"case": case, "published": PUBLISHED, "mean": summary(rows), "draws": rows}
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
