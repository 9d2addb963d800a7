"""How pairs, data sets and outcomes are shown: text, tables in a notebook, pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from precondbench.errors import ConfigurationError

# The largest ratio that a profile shows, and the largest order whose entries are drawn one by one.
MOST_RATIO = 16.0
MOST_PIXELS = 1024


def table_html(caption: str, rows: Mapping[str, Any]) -> str:
    """Return a table of two columns for a notebook."""
    body = "".join(
        f"<tr><th>{escape(str(key))}</th><td>{escape(str(value))}</td></tr>"
        for key, value in rows.items()
    )
    return f"<table><caption>{escape(caption)}</caption>{body}</table>"


def table_text(caption: str, rows: Mapping[str, Any]) -> str:
    """Return the same table as lines of text."""
    width = max(map(len, rows))
    return "\n".join([caption, *(f"  {key:<{width}}  {value}" for key, value in rows.items())])


def new_axes(ax: Any, **size: Any) -> Any:
    """Return the Axes that are given, or those of a new figure; ConfigurationError."""
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ConfigurationError(
            "pictures need the package matplotlib: pip install matplotlib"
        ) from None
    return pyplot.subplots(**size)[1]


def draw_profile(ratios: Sequence[float], ax: Any, label: str | None = None) -> Any:
    """Draw the share of matrices solved within each multiple of the iterations of the target."""
    ax = new_axes(ax)
    ends = [1 / MOST_RATIO, *sorted(r for r in ratios if r <= MOST_RATIO), MOST_RATIO]
    shares = [float(np.mean(np.array(ratios) <= end)) for end in ends]
    ax.step(ends, shares, where="post", label=label)
    ax.set_xscale("log", base=2)
    ax.set(
        xlim=(ends[0], ends[-1]),
        ylim=(0.0, 1.02),
        xlabel="iterations over those of the target",
        ylabel="share of matrices solved",
    )
    return ax


def entries_by_cell(matrix: csr_array, most: int) -> NDArray[np.float64]:
    """Count the entries of a square matrix in each cell of a grid with at most so many a side."""
    n = int(matrix.shape[0])
    cells = min(n, most)
    coo = coo_array(matrix)
    counts = np.zeros((cells, cells))
    places = (index.astype(np.int64) * cells // n for index in (coo.row, coo.col))
    np.add.at(counts, tuple(places), 1.0)
    return counts


def draw_pattern(matrix: csr_array, ax: Any, title: str) -> Any:
    """Draw where a matrix has entries: a spy plot that stays light for large matrices."""
    ax = new_axes(ax)
    n = matrix.shape[0]
    entries = entries_by_cell(matrix, MOST_PIXELS) > 0
    ax.imshow(entries, cmap="Greys", interpolation="none", extent=(-0.5, n - 0.5, n - 0.5, -0.5))
    ax.set(title=title, xlabel=f"n = {n}, {matrix.nnz} entries")
    return ax


def draw_pair(matrices: Mapping[str, csr_array]) -> Any:
    """Draw matrices side by side; colours show the decimal logarithm of |entry|."""
    axes = np.atleast_1d(new_axes(None, ncols=len(matrices), figsize=(5 * len(matrices), 4)))
    for ax, (title, matrix) in zip(axes, matrices.items(), strict=True):
        coo = matrix.tocoo()
        known = coo.data != 0
        drawn = ax.scatter(
            coo.col[known],
            coo.row[known],
            c=np.log10(np.abs(coo.data[known])),
            s=np.clip((200.0 / matrix.shape[0]) ** 2, 0.05, 60.0),
            marker="s",
            linewidths=0,
        )
        ax.set(title=title, xlim=(-0.5, matrix.shape[0] - 0.5), ylim=(matrix.shape[0] - 0.5, -0.5))
        ax.set_aspect("equal")
        ax.figure.colorbar(drawn, ax=ax, label="log10 |entry|")
    return axes[0].figure
