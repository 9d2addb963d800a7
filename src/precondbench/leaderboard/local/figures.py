"""Figures drawn from stored numbers, as SVG or PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from precondbench._internal import replacing
from precondbench.leaderboard.local.tables import Board
from precondbench.quality import LocalityProfile

# Closer than this to the target is drawn as this close.
COSINE_FLOOR = 1e-9
_MARKS = {"learned": ("o", "#0b6e4f"), "oracle": ("^", "#3b5b92"), "classical": ("s", "#8c8c8c")}

# Of the five outcomes; told apart by shape as well as by a colour that everyone can see.
_CASE_MARKS = (
    ("D", "#009e73"),
    ("o", "#56b4e9"),
    ("s", "#8c8c8c"),
    ("^", "#d55e00"),
    ("x", "#000000"),
)


def new_figure(width: float = 6.0, height: float = 4.0, columns: int = 1) -> tuple[Any, Any]:
    """Return a figure and its axes, an array of them if there are several columns.

    Parameters
    ----------
    width, height : float
        In inches.
    columns : int
        Panels side by side.
    """
    # The object interface: no global state, no display, no backend to choose.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, columns)


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure as SVG or PNG, as the name of the file says; equal figures, equal files."""
    import matplotlib as mpl

    # Without a date and with fixed identifiers equal figures are equal files.
    metadata = {"Software": None} if path.suffix == ".png" else {"Date": None}
    with (
        mpl.rc_context({"svg.hashsalt": "precondbench", "svg.fonttype": "none"}),
        replacing(path) as temporary,
    ):
        figure.savefig(temporary, format=path.suffix[1:], metadata=metadata, dpi=150)


def draw_locality(profiles: Mapping[str, LocalityProfile], path: str | Path) -> None:
    """Draw the relative change of L_kk against the distance from the changed entry of A.

    Parameters
    ----------
    profiles : mapping
        name -> profile.
    path : path-like
        File to write, ``.svg`` or ``.png``.
    """
    figure, axes = new_figure()
    for name, profile in profiles.items():
        shown = np.where(profile.change > 0, profile.change, np.nan)
        axes.semilogy(profile.distance, shown, label=name, linewidth=1.4)
    axes.set_xlabel("rows from the changed entry of A")
    axes.set_ylabel("relative change of L on the diagonal")
    axes.set_ylim(bottom=1e-12)
    axes.grid(visible=True, alpha=0.3)
    axes.legend(frameon=False)
    save_figure(figure, Path(path))


def draw_iterations_against_cosine(board: Board, path: str | Path, solver: str = "PCG") -> None:
    """Draw mean iterations against 1 - cosine, one mark a method.

    Parameters
    ----------
    board : Board
        Scored methods; those without a cosine are left out.
    path : path-like
        File to write, ``.svg`` or ``.png``.
    solver : str
        Name of the solver, for the axis.
    """
    from matplotlib.ticker import ScalarFormatter

    figure, axes = new_figure(7.0, 4.5)
    seen: set[str] = set()
    for name, result in board.evaluations.items():
        cosine = result.summary.get("cosine_mean")
        if cosine is None:
            continue
        kind = board.kinds.get(name, "classical")
        mark, colour = _MARKS.get(kind, ("o", "black"))
        x = max(1.0 - float(cosine), COSINE_FLOOR)
        y = float(result.summary["iterations_mean"] or 0.0)
        axes.loglog(
            x, y, mark, color=colour, markersize=6, label=kind if kind not in seen else None
        )
        seen.add(kind)
        # Oracles lie on one curve: their names go below it, all others above.
        below = kind == "oracle"
        axes.annotate(
            name,
            (x, y),
            textcoords="offset points",
            xytext=(-6, -3) if below else (6, 3),
            ha="right" if below else "left",
            va="top" if below else "bottom",
            fontsize=7,
        )
    axes.set_xlim(2.0, COSINE_FLOOR / 3)
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.set_xlabel("1 - cosine with the target (better to the right)")
    axes.set_ylabel(f"mean {solver} iterations (better below)")
    axes.set_title(board.title, fontsize=10)
    axes.grid(visible=True, which="both", alpha=0.2)
    axes.legend(frameon=False)
    save_figure(figure, Path(path))


def five_outcomes(facts: Sequence[Mapping[str, Any]], neither: int) -> dict[str, int]:
    """Count the cases of the paper's Figure 2, with ties apart.

    Parameters
    ----------
    facts : sequence of mapping
        Facts of every matrix with at least one label that converges.
    neither : int
        How many more there are where neither does.

    Returns
    -------
    dict of str to int
        Only Inv-K converges; both do and Inv-K, neither or IC(0) needs fewer; neither converges.
    """
    alone = sum(row["iterations_ic0"] == -1 for row in facts)
    both = [row for row in facts if row["iterations_ic0"] != -1 and row["iterations_invk"] != -1]
    return {
        "IC(0) fails, Inv-K converges": alone,
        "Inv-K needs fewer iterations": sum(row["winner"] == "inv-k" for row in both),
        "tie": sum(row["winner"] == "tie" for row in both),
        "IC(0) needs fewer iterations": len(facts)
        - alone
        - sum(row["winner"] in ("inv-k", "tie") for row in both),
        "both fail": neither,
    }


def draw_invk_against_ic0(
    facts: Sequence[Mapping[str, Any]], neither: int, path: str | Path
) -> None:
    """Draw iterations with Inv-K against iterations with IC(0); failures stand on the margin.

    Parameters
    ----------
    facts : sequence of mapping
        Facts of every matrix with at least one label that converges.
    neither : int
        How many more there are where neither does.
    path : path-like
        File to write, ``.svg`` or ``.png``.
    """
    figure, axes = new_figure(6.0, 5.0)
    counts = five_outcomes(facts, neither)
    margin = 20_000.0
    marks = dict(zip(counts, _CASE_MARKS, strict=True))
    points: dict[str, list[tuple[float, float]]] = {case: [] for case in counts}
    for row in facts:
        ic0, invk = float(row["iterations_ic0"]), float(row["iterations_invk"])
        if ic0 == -1:
            case = "IC(0) fails, Inv-K converges"
        elif row["winner"] == "inv-k":
            case = "Inv-K needs fewer iterations"
        else:
            case = "tie" if row["winner"] == "tie" else "IC(0) needs fewer iterations"
        points[case].append((ic0 if ic0 != -1 else margin, invk if invk != -1 else margin))
    for case, count in counts.items():
        x, y = zip(*points[case], strict=True) if points[case] else ((), ())
        mark, colour = marks[case]
        axes.loglog(x, y, mark, color=colour, markersize=5, alpha=0.85, label=f"{case}: {count}")
    axes.plot([1, 1e4], [1, 1e4], color="black", linewidth=0.6)
    axes.axvline(margin, color="black", linewidth=0.4, linestyle=":")
    axes.set_xlim(0.7, 1.5 * margin)
    axes.set_ylim(0.7, 1.5 * margin)
    axes.set_xlabel("PCG iterations with IC(0); failures at the right")
    axes.set_ylabel("PCG iterations with Inv-K")
    axes.grid(visible=True, alpha=0.2)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    save_figure(figure, Path(path))
