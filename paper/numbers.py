"""Numbers for the figures of the paper that require no training."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precondbench.errors import ConfigurationError
from precondbench.factors import DEFAULT_PATTERN
from precondbench.leaderboard import options_of, summarise_results
from precondbench.matrices import LAWS, theorem_2_1_factor, updated_factor
from precondbench.quality import mean_ceiling
from precondbench.recipes import RELEASE_VERSION as SUITESPARSE_VERSION
from precondbench.recipes import SUITESPARSE, SYNTHETIC, dataset_spec, release_plans
from precondbench.shards import cache_root, find_shard, load_manifest, read_published

# Models without gradient descent: least squares or a singular vector, the same for every seed.
FITTED = ("DivisionCell", "MoebiusCell", "MonomialCell")
# Options without their own key in a row that the paper's protocol does not change.
_NOT_THE_PAPERS = {"scaling", "decay_every", "patience"}
DEFAULT_BATCH = 16
_METHODS = ("none", "jacobi", "ic0", "invk")
_FACTS = (
    "winner",
    *(f"iterations_{method}" for method in _METHODS),
    *(f"status_{method}" for method in _METHODS),
)
# Their last digits depend on the machine.
_ROUNDED = ("n_log_k_ic0", "n_log_k_invk", "condition_scaled")


def diagonal_changes(n: int = 50) -> dict[str, NDArray[np.float64]]:
    """Change of the diagonal of L when 1 is added to A_11: the numbers of the paper's Figure 1.

    Both factors of both matrices come from closed forms in which nothing cancels. The matrix of
    Theorem 2.1 is singular in double precision, so that factoring it would give noise. n is at
    most 90: w = L^-1 e_1 has the entries +-k!, and their squares must not overflow.

    Examples
    --------
    >>> from paper.numbers import diagonal_changes
    >>> changes = diagonal_changes(20)
    >>> changes["poisson"][[0, 9, 19]].round(5)
    array([0.31784, 0.00251, 0.00063])
    >>> changes["theorem 2.1"][[0, 9, 19]].round(5)
    array([0.41421, 0.89881, 0.94986])
    """
    if not 1 <= n <= 90:
        raise ConfigurationError(f"n is {n}; figure 1 is drawn for 1 to 90 rows")
    k = np.arange(1, n + 1, dtype=np.float64)
    # tridiag(-1, 2, -1) has the pivots (k + 1) / k; with 3 in the corner (2k + 1) / (2k - 1).
    # The difference of their roots is written without a difference.
    before, after = np.sqrt((k + 1) / k), np.sqrt((2 * k + 1) / (2 * k - 1))
    poisson = 1.0 / (k * (2 * k - 1)) / (before + after)
    factor = theorem_2_1_factor(n)
    column = np.cumprod(np.concatenate(([1.0], -k[1:])))
    theorem = updated_factor(factor, column * column).diagonal - factor.diagonal
    return {"poisson": poisson, "theorem 2.1": theorem}


def invk_against_ic0(root: str | Path | None = None) -> dict[str, Any] | None:
    """Iterations and other facts of version 1.0 of the real benchmark, for JSON.

    ``neither`` counts the matrices where neither converges; ``matrices`` has the facts of each of
    the others, by size. None if a split is not in the cache: nothing is fetched or built.
    """
    manifest = load_manifest()
    digests, matrices = {}, []
    for plan in release_plans(patterns=[DEFAULT_PATTERN]):
        names = plan.names
        digests[plan.split] = manifest.split(*names).content_digest
        path, _ = find_shard(cache_root(root), *names, digests[plan.split])
        if not path.is_file():
            return None
        shard = read_published(path, manifest, names)
        for record in map(shard.record, range(len(shard))):
            facts: dict[str, Any] = {"nnz": record.nnz}
            facts |= {key: record.facts[key] for key in _FACTS}
            for key in _ROUNDED:
                value = float(record.facts[key])
                facts[key] = float(f"{value:.6g}") if math.isfinite(value) else None
            matrices.append({"name": record.name, "n": record.n, "split": plan.split, **facts})
    outcomes = Counter(source.outcome for source in manifest.sources_of(SUITESPARSE_VERSION))
    return {
        "dataset": SUITESPARSE,
        "version": SUITESPARSE_VERSION,
        "content_digests": digests,
        "neither": outcomes["neither label converges"],
        "matrices": sorted(matrices, key=lambda row: (row["n"], row["name"])),
    }


def read_invk_against_ic0(path: str | Path) -> dict[str, Any]:
    """Read the result of :func:`invk_against_ic0` from a JSON file."""
    path = Path(path)
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        complete = isinstance(stored["neither"], int) and all(
            {"name", "n", "nnz", *_FACTS, *_ROUNDED} <= set(row) for row in stored["matrices"]
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path} cannot be read as iterations: {error!r}") from None
    if not complete:
        raise ConfigurationError(f"{path} is damaged: a matrix lacks facts; make it again")
    return dict(stored)


def twin_ceilings(
    rows: Iterable[Mapping[str, Any]], root: str | Path | None = None
) -> dict[tuple[str, str, int], float]:
    """Best mean cosine of networks that see one row further with each block, on sets of twins.

    Keys are (configuration, split, rounds), for the sets, splits and depths of the rows where
    the ceiling is stored.
    """
    from precondbench.datasets import SyntheticTridiag

    depths: dict[tuple[str, str], set[int]] = {}
    for row in rows:
        law = LAWS["cholesky"].get(row["configuration"])
        if row["dataset"] == SYNTHETIC and law is not None and law.records == "twins":
            depths.setdefault((row["configuration"], row["split"]), set()).add(row["rounds"])
    ceilings = {}
    for (configuration, split), all_rounds in sorted(depths.items()):
        dataset = SyntheticTridiag(root, split, configuration)
        for rounds in sorted(all_rounds):
            if f"ceiling_{rounds:03d}" in dataset.facts(0):
                ceilings[configuration, split, rounds] = mean_ceiling(dataset, rounds)
    return ceilings


def steps_an_epoch(summary: Mapping[str, Any], sizes: Iterable[tuple[str, int]] = ()) -> int | None:
    """Gradient steps of an epoch of a row of results or a summary; None for a fitted model.

    Parameters
    ----------
    summary : mapping
        Of ``summarise_results``, or a row.
    sizes : iterable of (str, int)
        Split and number of rows of every real matrix, as in ``invk_against_ic0``; needed where
        large matrices were left out of training.
    """
    if summary["model"] in FITTED:
        return None
    dataset, version, configuration = (
        summary[key] for key in ("dataset", "version", "configuration")
    )
    graphs = load_manifest().split(dataset, version, configuration, "train").records
    if summary["max_rows"] is not None:
        graphs = sum(split == "train" and n <= summary["max_rows"] for split, n in sizes)
    batch = options_of(summary).get("batch_size", dataset_spec(dataset).batch_size)
    return math.ceil(graphs / int(batch or DEFAULT_BATCH))


def protocol_summaries(
    rows: Iterable[Mapping[str, Any]], dataset: str, version: str, configuration: str, split: str
) -> list[dict[str, Any]]:
    """Summaries of the runs by the paper's protocol on one split, one per model and depth.

    The protocol is a width of 16, negative cosine as loss and a first learning rate of 1e-3;
    it has 300 epochs. Of several kinds of run of one model and depth, the one that was asked for
    the most epochs counts; among these, the one with the fewest settings of its own.
    """
    wanted = {
        "dataset": dataset,
        "version": version,
        "configuration": configuration,
        "split": split,
        "loss": "negative-cosine",
        "width": 16,
        "learning_rate": 1e-3,
    }

    def rank(summary: Mapping[str, Any]) -> tuple[int, int]:
        return summary["max_epochs"], -len(options_of(summary))

    chosen: dict[tuple[str, int], dict[str, Any]] = {}
    for summary in summarise_results(rows):
        of_the_paper = not _NOT_THE_PAPERS & set(options_of(summary))
        if of_the_paper and all(summary[key] == value for key, value in wanted.items()):
            name = (summary["model"], summary["rounds"])
            chosen[name] = max(chosen.get(name, summary), summary, key=rank)
    return list(chosen.values())
