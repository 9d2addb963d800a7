"""Numbers behind the paper's figures that no run is needed for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precondbench.errors import ConfigurationError
from precondbench.factors import DEFAULT_PATTERN
from precondbench.matrices import LAWS, perturbed_factor, theorem_2_1_factor
from precondbench.quality import mean_ceiling
from precondbench.recipes import RELEASE_VERSION as SUITESPARSE_VERSION
from precondbench.recipes import SUITESPARSE, SYNTHETIC, release_plans
from precondbench.shards import cache_root, load_manifest, read_shard, shard_path

_FACTS = ("iterations_ic0", "iterations_invk", "winner", "status_ic0", "status_invk")


def diagonal_changes(n: int = 50) -> dict[str, NDArray[np.float64]]:
    """Change of the diagonal of L when 1 is added to A_11: the numbers of the paper's Figure 1.

    Both factors of both matrices come from closed forms in which nothing cancels. The matrix of
    Theorem 2.1 is singular in double precision, so that factoring it would give noise.

    Parameters
    ----------
    n : int
        Rows, at most 90: w = L^-1 e_1 of Theorem 2.1 has the entries +-k!, and their squares
        must not overflow.

    Returns
    -------
    dict of str to numpy.ndarray
        ``poisson`` and ``theorem 2.1``: L'_kk - L_kk, float64 of shape (n,).

    Raises
    ------
    ConfigurationError
        If n is not between 1 and 90.

    Examples
    --------
    >>> from precondbench.leaderboard.replication.paper_numbers import diagonal_changes
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
    theorem = perturbed_factor(factor, column).diagonal - factor.diagonal
    return {"poisson": poisson, "theorem 2.1": theorem}


def invk_against_ic0(root: str | Path | None = None) -> dict[str, Any] | None:
    """Iterations with Inv-K and with IC(0) on version 1.0 of the real benchmark.

    Parameters
    ----------
    root : path-like, optional
        Cache folder.

    Returns
    -------
    dict or None
        For JSON: ``dataset``, ``version``, ``content_digests`` by split, ``neither`` (how many
        more matrices there are where neither converges) and ``matrices``, one dictionary each
        with ``name``, ``n`` and facts, by size. None if a split is not in the cache: nothing
        is fetched or built for a figure.
    """
    manifest = load_manifest()
    digests, matrices = {}, []
    for plan in release_plans(patterns=[DEFAULT_PATTERN]):
        names = (plan.dataset, plan.version, plan.configuration, plan.split)
        digests[plan.split] = manifest.split(*names).content_digest
        path = shard_path(cache_root(root), *names, digests[plan.split])
        if not path.is_file():
            return None
        shard = read_shard(path)
        for record in map(shard.record, range(len(shard))):
            facts = {key: record.facts[key] for key in _FACTS}
            matrices.append({"name": record.name, "n": record.n, "split": plan.split, **facts})
    outcomes = Counter(source.outcome for source in manifest.sources)
    return {
        "dataset": SUITESPARSE,
        "version": SUITESPARSE_VERSION,
        "content_digests": digests,
        "neither": outcomes["neither label converges"],
        "matrices": sorted(matrices, key=lambda row: (row["n"], row["name"])),
    }


def read_invk_against_ic0(path: str | Path) -> dict[str, Any]:
    """Read what :func:`invk_against_ic0` returned from a JSON file.

    Raises
    ------
    ConfigurationError
        If it is not there or damaged.
    """
    path = Path(path)
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        complete = isinstance(stored["neither"], int) and all(
            {"name", "n", *_FACTS} <= set(row) for row in stored["matrices"]
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

    Parameters
    ----------
    rows : iterable of mapping
        Rows or summaries of runs; their sets, splits and depths are looked up.
    root : path-like, optional
        Cache folder.

    Returns
    -------
    dict
        (configuration, split, rounds) -> ceiling, where the set is of twins and the ceiling is
        stored.
    """
    from precondbench.datasets import SyntheticTridiag

    depths: dict[tuple[str, str], set[int]] = {}
    for row in rows:
        law = LAWS.get(row["configuration"])
        if row["dataset"] == SYNTHETIC and law is not None and law.records == "twins":
            depths.setdefault((row["configuration"], row["split"]), set()).add(row["rounds"])
    ceilings = {}
    for (configuration, split), all_rounds in sorted(depths.items()):
        dataset = SyntheticTridiag(root, split, configuration)
        for rounds in sorted(all_rounds):
            if f"ceiling_{rounds:03d}" in dataset.facts(0):
                ceilings[configuration, split, rounds] = mean_ceiling(dataset, rounds)
    return ceilings
