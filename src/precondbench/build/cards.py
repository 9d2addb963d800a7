"""README.md (the card of a hub) and DATASET_CARD.md (everything about the data) of a release."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import jinja2

import precondbench
from precondbench.build.attributions import Attribution
from precondbench.build.released import ReleasedSplit
from precondbench.shards.manifest import Manifest

__all__ = ["card_text"]

_TAGS = (
    "preconditioner",
    "sparse-matrix",
    "incomplete-cholesky",
    "numerical-linear-algebra",
    "graph-neural-network",
    "conjugate-gradient",
)
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("precondbench.build"),
    # Markdown is no HTML; what comes from elsewhere passes the filter "cell".
    autoescape=False,  # noqa: S701
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def card_text(
    template: str,
    splits: Sequence[ReleasedSplit],
    manifest: Manifest,
    sources: Sequence[Attribution],
    url: str | None,
    date: str | None,
) -> str:
    """Render one of the two cards.

    Parameters
    ----------
    template : {"README.md", "DATASET_CARD.md"}
        Which one.
    splits : sequence of ReleasedSplit
        What is released.
    manifest : Manifest
        Licences and descriptions of the datasets.
    sources : sequence of Attribution
        The real matrices in it.
    url, date : str or None
        Where and when it is published.

    Returns
    -------
    str
        Markdown.
    """
    versions = dict.fromkeys((split.plan.dataset, split.plan.version) for split in splits)
    datasets: list[dict[str, Any]] = [
        {"dataset": dataset, "version": version, "entry": manifest.datasets[dataset][version]}
        for dataset, version in versions
    ]
    licences = sorted({found["entry"].licence for found in datasets})
    return _TEMPLATES.get_template(f"{template}.j2").render(
        library=precondbench.__version__,
        url=url,
        date=date,
        splits=splits,
        datasets=datasets,
        licences=licences,
        sources=sources,
        configs=_configs(splits),
        size=_size(sum(split.plan.count for split in splits)),
        tags=_TAGS,
    )


def _configs(splits: Sequence[ReleasedSplit]) -> list[dict[str, Any]]:
    """Tables that a hub's viewer can show: the records of each configuration, by split."""
    configs: dict[str, list[dict[str, str]]] = {}
    for split in splits:
        plan = split.plan
        name = f"{plan.dataset}-{plan.version}-{plan.configuration}"
        configs.setdefault(name, []).append({"split": plan.split, "path": split.index.path})
    return [{"name": name, "files": files} for name, files in configs.items()]


def _size(records: int) -> str:
    return next((text for limit, text in _SIZES if records < limit), "n>100K")


def _cell(text: object) -> str:
    """Text for a cell of a Markdown table."""
    return "".join(f"\\{sign}" if sign in "\\|*_`<>[]" else sign for sign in str(text))


def _listed(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))


_TEMPLATES.filters["cell"] = _cell
_TEMPLATES.filters["listed"] = _listed
# A JSON text is a YAML text.
_TEMPLATES.filters["yaml"] = json.dumps
