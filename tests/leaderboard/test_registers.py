"""Whose entries are, which were reproduced, when they were added, and which files there may be."""

import json
import os
import shutil
from datetime import UTC, datetime

import numpy as np
import pytest
from board_models import REAL, learned, make_entry, make_track
from pull_requests import git

from precondbench.errors import LeaderboardError
from precondbench.leaderboard import render_site, standings_of
from precondbench.leaderboard.entries import (
    entry_path,
    read_leaderboard,
    write_entry,
    write_track,
)
from precondbench.leaderboard.registers import add_owner, add_reproduced, read_owners
from precondbench.leaderboard.site.history import dates_of
from precondbench.leaderboard.submissions.files import board_files, different
from precondbench.leaderboard.submissions.schema import seeds_alike


@pytest.fixture
def board(tmp_path):
    folder = tmp_path / "leaderboard"
    write_track(folder, make_track([40, 50]))
    write_entry(folder, make_entry("ic-0", [70, 80]))
    write_entry(folder, learned("net", [30, 40], [31, 41], [32, 42]))
    return folder


def tiers(folder):
    (standing,) = standings_of(read_leaderboard(folder))
    return {row.entry.id: standing.tier(row.entry) for row in standing.rows}


def test_reproduced_is_said_beside_the_entry_and_holds_while_it_is_the_same(board, tmp_path):
    assert tiers(board) == {"ic-0": "reference", "net": "scored"}
    net = read_leaderboard(board).entries[REAL]["net"]
    add_reproduced(board, net)
    assert tiers(board) == {"ic-0": "reference", "net": "reproduced"}
    render_site(board, tmp_path / "site")
    assert "✓ reproduced" in (tmp_path / "site" / "entries" / REAL / "net.html").read_text()
    assert "| reproduced |" in (tmp_path / "site" / "leaderboard.md").read_text()
    content = json.loads((tmp_path / "site" / "leaderboard.json").read_text())
    assert "reproduced" in [row["tier"] for row in content["tracks"][0]["rows"]]
    write_entry(board, net.model_copy(update={"description": "Corrected."}))
    assert tiers(board)["net"] == "reproduced"
    for change in (
        {"command": "precondbench train other"},
        {"predictions": net.predictions | {"0": "f" * 64}},
        {"weights": net.weights | {"0": "f" * 64}},
        {"kind": "classical"},
    ):
        write_entry(board, net.model_copy(update=change))
        assert tiers(board)["net"] == "scored"


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"entries": {"net": "' + "0" * 64 + '"}}',
        '{"entries": {}, "entries": {}}',
        '{"format": "precondbench-owners"}',
        '{"format_version": 2}',
    ],
)
def test_a_damaged_register_is_one_error(board, text):
    (board / "reproduced.json").write_text(text)
    with pytest.raises(LeaderboardError, match=r"reproduced\.json"):
        read_leaderboard(board)


def test_owners(board):
    assert read_owners(board).owners == {}
    add_owner(board, REAL, "net", 42)
    add_owner(board, REAL, "another", 7)
    assert read_owners(board).owners == {f"{REAL}/net": 42, f"{REAL}/another": 7}
    first = (board / "owners.json").read_bytes()
    add_owner(board, REAL, "net", 42)
    assert (board / "owners.json").read_bytes() == first


@pytest.mark.skipif(shutil.which("git") is None, reason="there is no git")
def test_dates_come_from_history(board, tmp_path):
    assert dates_of(board) == {}
    render_site(board, tmp_path / "site")
    page = tmp_path / "site" / "entries" / REAL / "net.html"
    assert "<time" not in page.read_text()
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "leaderboard")
    git(tmp_path, "commit", "-qm", "first")
    today = datetime.now(UTC).date().isoformat()
    assert dates_of(board)[f"{REAL}/net"][:7] == today[:7]
    path = entry_path(board, REAL, "net")
    path.write_text(path.read_text().replace("A. Author", "B. Author"))
    git(tmp_path, "commit", "-qam", "changed")
    assert set(dates_of(board)) == {f"{REAL}/ic-0", f"{REAL}/net"}
    render_site(board, tmp_path / "site")
    assert f'<time datetime="{dates_of(board)[f"{REAL}/net"]}">' in page.read_text()
    # The oldest commit of a shallow clone seems to add everything.
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{tmp_path}", str(tmp_path / "shallow"))
    assert dates_of(tmp_path / "shallow" / "leaderboard") == {}


def test_files_of_a_board(board):
    found = board_files(board)
    assert {file.kind for file in found.values()} == {"track", "entry"}
    assert found[f"entries/{REAL}/net.json"].names == (REAL, "net")
    assert different(found, found) == []
    assert different(found, {}) == sorted(found)


@pytest.mark.parametrize("make", [os.mkfifo, lambda p: p.mkdir(), lambda p: p.symlink_to("x")])
def test_what_is_no_file(board, make):
    make(board / "owners.json")
    with pytest.raises(LeaderboardError, match=r"regular file|empty folder|symbolic link"):
        board_files(board)


def test_names_of_bytes(board):
    path = os.fsencode(board) + b"/entries/\xff\xfe.json"
    with open(path, "wb"):  # noqa: PTH123
        pass
    with pytest.raises(LeaderboardError, match="has no place") as caught:
        board_files(board)
    assert str(caught.value).isascii()


def test_seeds_that_are_one():
    values = np.random.default_rng(0).standard_normal(1000)
    values[::7] = np.nan
    noise = 1 + 1e-8 * np.random.default_rng(1).standard_normal(1000)
    assert seeds_alike({0: values, 1: values * 1.01}) is None
    assert seeds_alike({3: values, 5: values * noise, 4: -values}) == (3, 5)
    few = values.copy()
    few[:5] += 1.0
    assert seeds_alike({0: values, 1: few}) == (0, 1)
    assert seeds_alike({0: values, 1: values[:10]}) is None
