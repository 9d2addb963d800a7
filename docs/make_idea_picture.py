"""Draw docs/figures/idea.png: one entry of A changes, and all of L does.

    python docs/make_idea_picture.py

A pair of the split `twin`: two tridiagonal matrices that differ in their first entry.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from making import DOCS
from paper.drawing import new_figure, save_figure
from precondbench import SyntheticTridiag

PICTURE = DOCS / "figures" / "idea.png"
ROUNDS = 4
CHANGED, SEEN, UNSEEN, SAME = "#d55e00", "#0072b2", "#d55e00", "#cccccc"


def squares(axes: Any, title: str, colours: dict[tuple[int, int], str], n: int) -> None:
    """Entries of a matrix as squares."""
    for (i, j), colour in colours.items():
        axes.add_patch(Rectangle((j - 0.42, i - 0.42), 0.84, 0.84, color=colour, linewidth=0))
    axes.set(xlim=(-1, n), ylim=(n, -1), aspect="equal", title=title, xticks=[], yticks=[])


def changes(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Relative change of the diagonal of a factor."""
    return np.abs(np.diagonal(second) / np.diagonal(first) - 1.0)


def main() -> None:
    """Draw the picture."""
    data = SyntheticTridiag(split="test", config="twin")
    one, other = data.pair(0), data.pair(1)
    A, B = one.A.toarray(), other.A.toarray()
    L, M = one.L.toarray(), other.L.toarray()
    n = len(A)
    figure, (left, middle, right) = new_figure(11.0, 3.4, columns=3)
    entries = {(int(i), int(j)): SAME for i, j in np.argwhere(A)}
    squares(
        left,
        "One entry of A changes",
        entries | dict.fromkeys(map(tuple, np.argwhere(A != B)), CHANGED),
        n,
    )
    moved = np.abs(M - L) > 1e-3 * np.abs(L)
    squares(
        middle,
        "All entries of its factor L change",
        {(int(i), int(j)): CHANGED if moved[i, j] else SAME for i, j in np.argwhere(L)},
        n,
    )
    rows = np.arange(n)
    inside = rows <= ROUNDS
    change = 100 * changes(L, M)
    right.bar(rows[inside], change[inside], color=SEEN, label=f"seen in {ROUNDS} rounds")
    right.bar(rows[~inside], change[~inside], color=UNSEEN, label="not seen")
    right.set(title=f"{ROUNDS} rounds of messages see {ROUNDS + 1} rows", xlabel="row of L")
    right.set(ylabel="change of its diagonal, %")
    right.legend(frameon=False)
    save_figure(figure, PICTURE)


if __name__ == "__main__":
    main()
