"""Draw the packages and what they import, and put the table of it into docs/architecture.md.

    python docs/make_architecture_page.py

Everything comes from the import statements of src/precondbench, those inside functions included.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import matplotlib

from making import DOCS, ROOT, rewrite, with_parts

SOURCE = ROOT / "src" / "precondbench"
PAGE = DOCS / "architecture.md"
FIGURE = DOCS / "figures" / "architecture.svg"
# Used by nearly all; a figure with their arrows shows nothing.
FOUNDATION = ("errors", "_internal")


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def imports() -> dict[str, set[str]]:
    """What each package or top-level module imports of the others."""
    found: dict[str, set[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        own = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        if own.startswith("__"):
            continue
        names = (name.split(".") for name in _imported(path))
        others = {parts[1] for parts in names if parts[0] == "precondbench" and len(parts) > 1}
        found.setdefault(own, set()).update(others - {own})
    return found


def layers(edges: dict[str, set[str]]) -> dict[str, int]:
    """Length of the longest chain of imports below each package; a circle is an error."""
    height: dict[str, int] = {}

    def climb(name: str, above: tuple[str, ...]) -> int:
        if name in above:
            raise ValueError(f"imports in a circle: {' -> '.join((*above, name))}")
        if name not in height:
            below = [climb(other, (*above, name)) for other in sorted(edges[name])]
            height[name] = 1 + max(below, default=-1)
        return height[name]

    for name in edges:
        climb(name, ())
    return height


def table(edges: dict[str, set[str]]) -> str:
    """One line a package, from the ground up."""
    height = layers(edges)
    lines = ["| package | files | imports from |", "| --- | ---: | --- |"]
    for name in sorted(edges, key=lambda name: (height[name], name)):
        files = len(list((SOURCE / name).rglob("*.py"))) or 1
        below = sorted(edges[name], key=lambda other: (height[other], other))
        lines.append(f"| `{name}` | {files} | {', '.join(f'`{other}`' for other in below)} |")
    return "\n".join(lines) + "\n"


def without_detours(edges: dict[str, set[str]]) -> dict[str, set[str]]:
    """Leave out an arrow where a longer way leads to the same place."""

    def reach(name: str) -> set[str]:
        return set().union(*({other} | reach(other) for other in kept[name]))

    kept = {
        name: {other for other in others if other not in FOUNDATION}
        for name, others in edges.items()
        if name not in FOUNDATION
    }
    return {
        name: {o for o in others if not any(o in reach(p) for p in others - {o})}
        for name, others in kept.items()
    }


def _curve(start: tuple[float, int], end: tuple[float, int]) -> str:
    """An arrow over several levels goes around what lies between."""
    if start[1] - end[1] == 1:
        return "arc3"
    return f"arc3,rad={-0.35 if end[0] > start[0] else 0.35}"


def draw(edges: dict[str, set[str]]) -> None:
    """Write the figure: imports point down."""
    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    arrows = without_detours(edges)
    height = layers(arrows)
    levels: dict[int, list[str]] = {}
    for name in sorted(arrows):
        levels.setdefault(height[name], []).append(name)
    place = {
        name: (index - (len(names) - 1) / 2, level)
        for level, names in levels.items()
        for index, name in enumerate(names)
    }
    # Without these two the same drawing would differ from run to run.
    with plt.rc_context({"svg.hashsalt": "precondbench", "svg.fonttype": "none"}):
        figure, axes = plt.subplots(figsize=(7, 0.75 * len(levels)))
        for name, others in arrows.items():
            for other in others:
                axes.annotate(
                    "",
                    xy=place[other],
                    xytext=place[name],
                    arrowprops={
                        "arrowstyle": "->", "color": "#888888", "shrinkA": 12, "shrinkB": 12,
                        "connectionstyle": _curve(place[name], place[other]),
                    },
                )  # fmt: skip
        for name, (x, y) in place.items():
            box = {"boxstyle": "round,pad=0.4", "facecolor": "#eaf1f8", "edgecolor": "#336699"}
            axes.text(x, y, name, ha="center", va="center", bbox=box)
        axes.set_xlim(-2, 2)
        axes.set_ylim(-0.6, max(levels) + 0.6)
        axes.axis("off")
        figure.savefig(FIGURE, metadata={"Date": None}, bbox_inches="tight")
        plt.close(figure)


def filled(page: str) -> str:
    """Return the page with its table made anew."""
    return with_parts(page, {"imports": table(imports())})


if __name__ == "__main__":
    draw(imports())
    rewrite(PAGE, {"imports": table(imports())})
