"""Update the summary in docs/findings.md from the committed leaderboard.

python docs/make_findings_page.py
"""

from __future__ import annotations

from making import (
    DOCS,
    bullets,
    committed_standings,
    large_families,
    listed,
    mean_over_families,
    multigrid_times,
    rewrite,
    short,
    stored,
    with_parts,
)
from precondbench.leaderboard.board import Standing
from precondbench.leaderboard.scoring.intervals import Interval
from precondbench.leaderboard.scoring.ranking import RankedRow
from precondbench.leaderboard.site.text import between, figure

PAGE = DOCS / "findings.md"
TRIDIAGONAL = "synthetic-tridiag-1.0-uniform-test"
REAL = "suitesparse-invk-2.0-tril-all"
CHOICE, INVK, IC0, MIC0 = "learnedchoice-1-round", "inv-k", "ic-0", "mic-0-tuned"
AFTER_RCM = "inv-k-after-rcm"


def _score(row: RankedRow, real: bool = False) -> str:
    return f"{figure(row.score.mean, real)} {between(row.interval, real)}".rstrip()


def _graph_network(row: RankedRow) -> bool:
    return "of a Graph Network" in (row.entry.description or "")


def _tridiagonal(standing: Standing) -> str:
    learned = [row for row in standing.rows if row.entry.kind == "learned"]
    network = next(row for row in learned if _graph_network(row))
    other = next(row for row in learned if not _graph_network(row))
    return (
        "On tridiagonal matrices, for which the target needs one iteration, the best graph "
        f"network, {network.entry.method}, needs {_score(network)}, and the best of another kind, "
        f"{other.entry.method}, {_score(other)}: [nonlocal.md](nonlocal.md)."
    )


def _real(standing: Standing) -> str:
    learned = [row for row in standing.rows if row.entry.kind == "learned"]
    rows = [standing.by_id[INVK], standing.by_id[IC0], *learned[:1]]
    said = listed(f"{row.entry.method} {_score(row, real=True)}" for row in rows)
    area = Interval(*stored("orders.json")["learned"]["area"])
    none = "" if learned else " There is no learned row yet."
    return (
        f"On {len(standing.track.matrices)} real matrices the areas under the performance profile "
        f"are: {said}.{none} A network that chooses among factors in three orders has "
        f"{figure(area.mean, True)} {between(area, True)}, Inv-K in reverse Cuthill-McKee order "
        f"{_score(standing.by_id[AFTER_RCM], real=True)}: [real.md](real.md)."
    )


def _families(boards: list[Standing]) -> str:
    means = {name: mean_over_families(name) for name in (CHOICE, IC0, INVK, MIC0)}
    ahead = [
        f"`{board.track.configuration}`"
        for board in boards
        if board.by_id[CHOICE].interval.high < 1.0
    ]
    return (
        f"On large matrices of {len(boards)} families one model for all of them needs "
        f"{short(means[CHOICE])} times the iterations of the best classical factor, chosen for "
        f"each matrix in hindsight; IC(0) {short(means[IC0])}, Inv-K {short(means[INVK])}, MIC(0) "
        f"tuned for each family {short(means[MIC0])}. It is below one, with its interval, on "
        f"{listed(ahead)}: [learning.md](learning.md)."
    )


def _seconds() -> str:
    ahead = []
    for times, row, fastest in multigrid_times():
        ratio = row.seconds(1) / fastest.seconds(1)
        if ratio < 1.0:
            ahead.append(f"{times.problem} ({ratio:.2f} times {fastest.method})")
    return (
        "In seconds, setup and inference included, multigrid with learned parameters is faster for "
        f"one right-hand side than every classical and direct method on {listed(ahead)}: "
        "[time.md](time.md)."
    )


def summary() -> str:
    """Say in a sentence each what the boards show."""
    known = {standing.track.id: standing for standing in committed_standings()}
    families = _families(large_families())
    return bullets([_tridiagonal(known[TRIDIAGONAL]), _real(known[REAL]), families, _seconds()])


def filled(page: str) -> str:
    """Return the page with an updated summary."""
    return with_parts(page, {"summary": summary()})


if __name__ == "__main__":
    rewrite(PAGE, {"summary": summary()})
