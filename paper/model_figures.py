"""Figures that compare models: scores by depth, and distances to the ceiling of twins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paper.drawing import new_figure, save_figure

Summary = Mapping[str, Any]

# Order of the paper; the same mark and colour in every figure. The colour-blind safe palette of
# Okabe and Ito.
MODELS: dict[str, tuple[str, str]] = {
    "MLP": ("s", "#000000"),
    "GATv2": ("v", "#e69f00"),
    "GEN": ("^", "#56b4e9"),
    "MessagePassingMLP": ("o", "#d55e00"),
    "GraphTransformer": ("D", "#0072b2"),
    "FastGraphTransformer": ("P", "#009e73"),
    "GlobalGraphTransformer": ("X", "#cc79a7"),
}
# They see every row of a matrix, so the ceiling of local rules does not apply to them.
MODELS_OF_ALL_PAIRS = frozenset({"FastGraphTransformer", "GlobalGraphTransformer"})
_OTHERS = (("*", "#6b6b6b"), ("h", "#9b7653"), ("<", "#3b3b98"), (">", "#7d8b2f"))
# Horizontal distance between the marks of adjacent models.
_DODGE = 0.09


@dataclass(frozen=True)
class Panel:
    """One axis of a figure by rounds."""

    measure: str
    label: str
    logarithmic: bool = False
    downwards: bool = False


def in_order(names: Sequence[str]) -> list[str]:
    """Models in the order of the paper, followed by the others by name."""
    order = {name: number for number, name in enumerate(MODELS)}
    return sorted(set(names), key=lambda name: (order.get(name, len(order)), name))


def _styles(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    others = [name for name in in_order(names) if name not in MODELS]
    return MODELS | {name: _OTHERS[i % len(_OTHERS)] for i, name in enumerate(others)}


def _legend_names(summaries: Sequence[Summary]) -> dict[str, str]:
    """Name of each model, with its epochs where models differ in them."""
    epochs: dict[str, set[int]] = {}
    for row in summaries:
        epochs.setdefault(row["model"], set()).add(row["max_epochs"])
    if len(set().union(*epochs.values())) == 1:
        return {name: name for name in epochs}
    texts = {name: ", ".join(map(str, sorted(counts))) for name, counts in epochs.items()}
    return {name: f"{name} ({text} epochs)" for name, text in texts.items()}


def _bar(spread: Mapping[str, float]) -> list[list[float]]:
    """Lengths of an error bar below and above the mean."""
    # The mean of equal numbers may differ from them in its last bit.
    low, high = spread["mean"] - spread["min"], spread["max"] - spread["mean"]
    return [[max(low, 0.0)], [max(high, 0.0)]]


def draw_by_rounds(
    summaries: Sequence[Summary], panels: Sequence[Panel], title: str, path: str | Path
) -> None:
    """Draw measures against the number of blocks: means over seeds, bars from lowest to highest."""
    figure, grid = new_figure(3.6 * len(panels) + 2.6, 3.6, len(panels))
    models = in_order([row["model"] for row in summaries])
    styles, names = _styles(models), _legend_names(summaries)
    depths = sorted({row["rounds"] for row in summaries})
    columns = [grid] if len(panels) == 1 else list(grid)
    for axes, panel in zip(columns, panels, strict=True):
        for number, model in enumerate(models):
            shift = _DODGE * (number - (len(models) - 1) / 2)
            points = sorted(
                (depths.index(row["rounds"]), row[panel.measure])
                for row in summaries
                if row["model"] == model and row[panel.measure] is not None
            )
            _draw_model(axes, points, shift, styles[model], names[model])
        if panel.logarithmic:
            _log_scale(axes.set_yscale, axes.yaxis)
        if panel.downwards:
            axes.invert_yaxis()
        axes.set_xticks(range(len(depths)), map(str, depths))
        axes.set_xlim(-0.5, len(depths) - 0.5)
        axes.set_xlabel("Graph Network blocks")
        axes.set_ylabel(panel.label)
        axes.grid(visible=True, which="both", alpha=0.2)
    handles = columns[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside right center", frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=10)
    save_figure(figure, Path(path))


def _draw_model(
    axes: Any,
    points: Sequence[tuple[int, Mapping[str, float]]],
    shift: float,
    style: tuple[str, str],
    name: str,
) -> None:
    mark, colour = style
    x = [place + shift for place, _ in points]
    axes.plot(
        x,
        [spread["mean"] for _, spread in points],
        mark + "-",
        color=colour,
        markersize=5,
        linewidth=1.1,
        label=name,
    )
    for shifted, (_, spread) in zip(x, points, strict=True):
        axes.errorbar(shifted, spread["mean"], _bar(spread), color=colour, linewidth=1.1, capsize=2)


def _log_scale(set_scale: Any, axis: Any) -> None:
    """Logarithmic; a range of few decades has labels between them too."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    set_scale("log")
    low, high = sorted(axis.get_view_interval())
    ticks = {300: (1,), 30: (1, 3), 6: (1, 2, 5), 1: (1, 1.5, 2, 3, 4, 5, 7)}
    subs = next(subs for ratio, subs in ticks.items() if high >= ratio * low)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def draw_against_ceiling(
    sets: Mapping[str, Sequence[Summary]],
    ceilings: Mapping[tuple[str, int], float],
    path: str | Path,
) -> None:
    """Draw 1 - cosine of every model, one panel per set, with the minimum for local rules."""
    figure, grid = new_figure(3.2 * len(sets) + 1.6, 3.8, len(sets))
    columns = [grid] if len(sets) == 1 else list(grid)
    everything = [row for summaries in sets.values() for row in summaries]
    models = in_order([row["model"] for row in everything])
    styles = _styles(models)
    names = sorted(
        {(row["model"], row["rounds"]) for row in everything},
        key=lambda name: (models.index(name[0]), name[1]),
    )
    places = {name: len(names) - 1 - number for number, name in enumerate(names)}
    bounds: list[Any] = []
    for axes, (name, summaries) in zip(columns, sets.items(), strict=True):
        for row in summaries:
            spread, place = row["one_minus_cosine_mean"], places[row["model"], row["rounds"]]
            if spread is None:
                continue
            mark, colour = styles[row["model"]]
            bar = {"color": colour, "linewidth": 1.1, "capsize": 2}
            axes.errorbar(spread["mean"], place, xerr=_bar(spread), fmt=mark, markersize=6, **bar)
            ceiling = ceilings.get((name, row["rounds"]))
            if ceiling is not None and row["model"] not in MODELS_OF_ALL_PAIRS:
                ends = [place - 0.5, place + 0.5]
                bounds += axes.plot([1.0 - ceiling] * 2, ends, "--", color="#555555")
        _log_scale(axes.set_xscale, axes.xaxis)
        axes.invert_xaxis()
        axes.set_ylim(-0.6, len(names) - 0.4)
        axes.set_yticks(list(places.values()), [])
        axes.tick_params(axis="x", labelsize=8)
        axes.set_xlabel("1 - cosine (better to the right)")
        epochs = sorted({row["max_epochs"] for row in summaries})
        axes.set_title(f"{name}, {' or '.join(map(str, epochs))} epochs", fontsize=10)
        axes.grid(visible=True, which="both", alpha=0.2)
    one_depth = len({rounds for _, rounds in names}) == 1
    columns[0].set_yticks(
        list(places.values()), [model if one_depth else f"{model}, {k}" for model, k in names]
    )
    if bounds:
        figure.legend(
            bounds[:1],
            ["proven bound for networks that see one row further with each block"],
            loc="outside lower center",
            frameon=False,
            fontsize=8,
        )
    save_figure(figure, Path(path))
