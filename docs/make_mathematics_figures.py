"""Draw the figures of docs/mathematics.md, docs/twins.md and docs/classical.md.

    python docs/make_mathematics_figures.py [--out docs/figures]

All data are computed by the script, in a few seconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from making import DOCS
from paper.drawing import new_figure, save_figure
from precondbench import SyntheticTridiag, ic0, invk
from precondbench.factors import khop_factor, local_invk
from precondbench.matrices import LAWS, draw, from_factor, growth_law
from precondbench.quality import locality_profile, mean_ceiling

ROWS = 50
# Told apart by mark and by colours that everyone can see.
STYLES = (
    ("o", "#0072b2"), ("s", "#d55e00"), ("^", "#009e73"), ("D", "#cc79a7"), ("v", "#56b4e9"),
    ("x", "#000000"),
)  # fmt: skip

Series = NDArray[np.float64]


def window_errors(c: float, changed: bool, hops: range, draws: int = 20) -> Series:
    """Median relative error of the pivots of k-hop oracles, mean of some draws, by hops."""
    found = np.zeros(len(hops))
    for i in range(draws):
        sample = draw(growth_law(c), ROWS, i)
        factor = sample.modified if changed else sample.literal
        matrix = sample.matrix if changed else from_factor(sample.literal)
        for place, m in enumerate(hops):
            error = (khop_factor(matrix, m).diagonal / factor.diagonal) ** 2 - 1
            found[place] += np.median(error[m + 5 :]) / draws
    return found


def influence(law: str, draws: int = 100) -> Series:
    """Median relative change of L_kk when 1 is added to A_11, by the distance k - 1."""
    samples = [draw(LAWS["cholesky"][law], ROWS, i) for i in range(draws)]
    changes = [np.abs(each.modified.diagonal / each.literal.diagonal - 1.0) for each in samples]
    return np.median(changes, axis=0)


def ceilings(configuration: str) -> Series:
    """1 - C_k over the test split of a set of twins, for k = 1, 2, ..."""
    test = SyntheticTridiag(split="test", config=configuration)
    return np.array([1 - mean_ceiling(test, k) for k in range(1, test[0].num_nodes)])


def laplacian(m: int) -> sp.csr_array:
    """Five-point Laplacian on an m x m grid."""
    one = np.ones(m)
    T = sp.diags_array([-one[1:], 2 * one, -one[1:]], offsets=[-1, 0, 1])
    return sp.csr_array(sp.kron(T, sp.eye_array(m)) + sp.kron(sp.eye_array(m), T))


def reach(m: int = 24) -> dict[str, Series]:
    """Change of L on a grid by distance from a doubled diagonal entry, for several methods."""
    A = laplacian(m)
    methods: dict[str, Any] = {"Inv-K": invk, "IC(0)": ic0}
    for hops in (7, 3, 1):
        methods[f"local-patch Inv-K, k = {hops}"] = partial(local_invk, hops=hops)
    return {name: locality_profile(A, method) for name, method in methods.items()}


def draw_lines(
    axes: Any, lines: Mapping[str, Series], first: int, title: str, xlabel: str, ylabel: str
) -> None:
    """Draw series on a logarithmic axis; what is zero is not drawn."""
    for (name, values), (mark, colour) in zip(lines.items(), STYLES, strict=False):
        x = np.arange(first, first + values.size)
        shown = np.where(values > 1e-12, values, np.nan)
        axes.semilogy(x, shown, marker=mark, color=colour, label=name, markersize=3, linewidth=1.0)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(fontsize=8)


def draw_windows(path: Path) -> None:
    """Draw the errors of windows that look back, for A and for A + e_1 e_1^T."""
    figure, both = new_figure(8.4, 3.6, 2)
    hops = range(33)
    for axes, changed, title in zip(
        both, (False, True), ("A", "A with 1 added to its first entry"), strict=True
    ):
        lines = {f"c = {c}": window_errors(c, changed, hops) for c in (-8, 0, 6, 12)}
        draw_lines(axes, lines, 0, title, "hops m", "relative error of pivots")
    both[1].sharey(both[0])
    both[1].set_ylim(1e-5, 3)
    save_figure(figure, path)


def draw_influence(path: Path) -> None:
    """Draw how far a change of the first entry reaches, by law."""
    figure, axes = new_figure(6.4, 4.0)
    laws = ("uniform", "growth", "hard", "sawtooth", "poisson", "local")
    lines = {law: influence(law) for law in laws}
    draw_lines(axes, lines, 0, "", "distance in rows", "relative change of the diagonal of L")
    axes.set_ylim(bottom=1e-8)
    save_figure(figure, path)


def draw_ceilings(path: Path) -> None:
    """Draw the ceilings of the sets of twins."""
    figure, axes = new_figure(6.4, 3.6)
    lines = {f"{name}": ceilings(name) for name in ("twin", "growth", "hard")}
    draw_lines(axes, lines, 1, "", "columns k that see the first entry", "1 - ceiling")
    save_figure(figure, path)


def draw_reach(path: Path) -> None:
    """Draw how far methods look on a grid."""
    figure, axes = new_figure(6.4, 4.0)
    draw_lines(axes, reach(), 0, "", "distance in hops", "relative change of the diagonal of L")
    axes.set_xlim(-0.5, 24.5)
    axes.set_ylim(1e-8, 3)
    save_figure(figure, path)


FIGURES = {
    "windows": draw_windows,
    "influence": draw_influence,
    "ceilings": draw_ceilings,
    "reach": draw_reach,
}


def main() -> None:
    """Write all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=DOCS / "figures")
    folder = parser.parse_args().out
    for name, make in FIGURES.items():
        make(folder / f"{name}.svg")


if __name__ == "__main__":
    main()
