"""What pages, Markdown and JSON show of intervals, ranks, gains and sides."""

import json
import re

from board_models import REAL, learned, make_entry, make_seed, make_track

from precondbench.leaderboard.board import standings_of
from precondbench.leaderboard.entries import Leaderboard
from precondbench.leaderboard.site.export import board_json, board_markdown
from precondbench.leaderboard.site.pages import pages_of


def said_on(page):
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_what_is_uncertain_is_shown():
    """Intervals, shared ranks, gains, uneven rows, kinds, the protocol, and converged rows."""
    track = make_track([10] * 8)
    sides = [[10, 11, 12, 25], *[[9, 10, 11, 12]] * 7]
    start = [make_seed([30] * 8, seed).model_dump(mode="json") for seed in (0, 1)]
    gain = {"mean": 0.125, "low": -0.02, "high": 0.25}
    uneven = make_seed([25] + [12] * 7, sides=sides)
    made = [
        make_entry("a", [12, 13, 12, 13, 12, 13, 12, 13], method="First"),
        make_entry("b", [13, 12, 13, 12, 13, 12, 13, 12], method="Second"),
        make_entry("u", uneven, method="Bent"),
        make_entry("f", make_seed([40] * 8, 0), kind="fitted", method="Fit"),
        learned("n", [55] * 8, [56] * 8, method="Net", start=start, gain=gain),
    ]
    board = Leaderboard(tracks={REAL: track}, entries={REAL: {e.id: e for e in made}})
    standings = standings_of(board)
    assert standings[0].best_learned.entry.id == "n"
    assert [standings[0].rank(row) for row in standings[0].rows] == ["=1", "=1", "=1", "4", "5"]
    pages = dict(pages_of(standings))
    here = said_on(pages[f"tracks/{REAL}.html"])
    for words in (
        "=1 First", "[0.400, 0.600]", "+0.125 [\N{MINUS SIGN}0.020, +0.250]", "uneven 1",
        "resampling the 8 families of the matrices", "fitted", "four right-hand sides",
        "2: 4 right-hand sides a matrix", "Minus the first of its rank",
    ):  # fmt: skip
        assert words in here, words
    entry = said_on(pages[f"entries/{REAL}/u.html"])
    assert "10 \N{MIDDLE DOT} 11 \N{MIDDLE DOT} 12 \N{MIDDLE DOT} 25 uneven" in entry
    assert "may show a residual above 1e-8" in entry
    assert "0, start" in said_on(pages[f"entries/{REAL}/n.html"])
    matrix = said_on(pages[f"matrices/{REAL}/group-matrix-0.html"])
    assert "family 0" in matrix
    assert "may show a residual above 1e-8" in matrix
    text = board_markdown(standings)
    assert "| =1 | First | classical | reference |" in text
    assert "| 5 | Net | learned | scored |" in text
    assert "+0.125 [\N{MINUS SIGN}0.020, +0.250]" in text
    (content,) = json.loads(board_json(standings))["tracks"]
    rows = {row["id"]: row for row in content["rows"]}
    assert rows["n"]["gain"] == gain
    assert rows["a"]["interval"] == [0.4, 0.6]
    assert rows["u"]["uneven"] == 1
    assert rows["f"]["over_first"] is rows["n"]["over_next"] is None
    assert rows["b"]["over_first"]["low"] <= 0 <= rows["b"]["over_first"]["high"]
    assert content["families"] == 8


def test_one_family_is_said():
    track = make_track([10])
    board = Leaderboard(tracks={REAL: track}, entries={REAL: {"a": make_entry("a", [9])}})
    pages = dict(pages_of(standings_of(board)))
    assert "All matrices are of one family" in said_on(pages[f"tracks/{REAL}.html"])
