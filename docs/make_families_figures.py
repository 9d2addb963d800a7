"""Draw a figure of each family of matrices for docs/families.md.

    python docs/make_families_figures.py [--out docs/figures] [NAME ...]

Left a coefficient on the nodes, or the degrees where there are no coordinates; in the middle the
pattern; right the eigenvalues of the matrix scaled to a unit diagonal, and of the matrix
preconditioned by IC(0), Inv-K and MIC(0). All data are drawn and computed by the script.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from making import DOCS
from paper.drawing import new_figure, save_figure
from precondbench import BreakdownError, ic0, invk
from precondbench.factors import mic0
from precondbench.matrices import (
    FAMILIES,
    DiscreteSystem,
    ParametricFamily,
    UniformStream,
    near_null_vectors,
)

ROWS = 1024
# Drawn once, by looking at a few: a typical system of each family.
NUMBER = 3
RELAXATION = 0.97
STYLES = {"unit diagonal": "#000000", "IC(0)": "#d55e00", "Inv-K": "#0072b2", "MIC(0)": "#009e73"}


def spectra(system: DiscreteSystem) -> dict[str, NDArray[np.float64]]:
    """Eigenvalues, ascending, of the matrix with each preconditioner that exists."""
    A = system.A
    n = A.shape[0]
    kind = "constant" if system.near_null_space == "none" else system.near_null_space
    vectors = near_null_vectors(kind, n, system.coordinates)
    methods = {
        "IC(0)": ic0,
        "Inv-K": invk,
        "MIC(0)": lambda matrix: mic0(matrix, RELAXATION, preserve=vectors),
    }
    root = np.sqrt(A.diagonal())
    found = {"unit diagonal": np.linalg.eigvalsh(A.toarray() / root / root[:, None])}
    for name, method in methods.items():
        try:
            L = method(A).toarray()
        except BreakdownError:
            continue
        half = scipy.linalg.solve_triangular(L, A.toarray(), lower=True)
        whole = scipy.linalg.solve_triangular(L, half.T, lower=True)
        found[name] = np.linalg.eigvalsh(0.5 * (whole + whole.T))
    return found


def draw_nodes(axes: Any, system: DiscreteSystem, family: ParametricFamily) -> None:
    """Show the first coefficient on the nodes, or the degrees of a graph."""
    if system.coordinates is None:
        degrees = np.diff(system.A.indptr) - 1
        axes.hist(degrees, bins=np.arange(degrees.max() + 2) - 0.5, color="#0072b2")
        axes.set_yscale("log")
        axes.set_xlabel("off-diagonal entries of a row")
        axes.set_ylabel("rows")
        return
    xy = system.coordinates
    shown = np.arange(len(xy))
    if xy.shape[1] == 3:  # The nodes next to the middle plane.
        away = np.abs(xy[:, 2] - 0.5 * (xy[:, 2].min() + xy[:, 2].max()))
        shown = np.flatnonzero(away <= away.min() + 1e-9)
    values = np.ones(len(shown))
    label = "node"
    if system.coefficients is not None:
        values, label = system.coefficients[shown, 0], family.coefficients[0]
    spread = values.max() > 20 * values.min() > 0
    colours = np.log10(values) if spread else values
    size = 2.2 * 72 * 2.4 / np.sqrt(len(shown))
    drawn = axes.scatter(
        xy[shown, 0], xy[shown, 1], c=colours, s=(0.5 * size) ** 2, marker="s", linewidths=0,
        rasterized=True,
    )  # fmt: skip
    axes.set_aspect("equal")
    axes.set_title(f"log10 {label}" if spread else label)
    axes.figure.colorbar(drawn, ax=axes, shrink=0.8)


def draw_family(family: ParametricFamily, path: Path) -> None:
    """Draw the three panels."""
    system = family.draw(UniformStream(NUMBER, family.stream), ROWS)[0]
    figure, (nodes, pattern, values) = new_figure(9.0, 2.9, columns=3)
    draw_nodes(nodes, system, family)
    pattern.spy(system.A, markersize=0.4, color="black", rasterized=True)
    pattern.set_title(f"n = {system.A.shape[0]:,}, {system.A.nnz:,} entries")
    pattern.set_xticks([])
    pattern.set_yticks([])
    for name, eigenvalues in spectra(system).items():
        place = (np.arange(eigenvalues.size) + 0.5) / eigenvalues.size
        values.semilogy(place, np.maximum(eigenvalues, 1e-16), color=STYLES[name], label=name)
    values.set_title("eigenvalues")
    values.set_xlabel("share of all")
    values.legend(fontsize=7)
    save_figure(figure, path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--out", type=Path, default=DOCS / "figures")
    options = parser.parse_args()
    for each in options.names or FAMILIES:
        draw_family(FAMILIES[each], options.out / f"family-{each}.png")
