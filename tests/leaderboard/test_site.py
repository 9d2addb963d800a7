"""The site without a browser: complete, escaped, reproducible, and safe to write.

Longer than other files: all pages are of one board, which its fixtures write.
"""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from board_models import REAL, SYNTHETIC, learned, make_entry, make_seed, make_track, measured
from typer.testing import CliRunner

from precondbench import SyntheticTridiag, evaluate, invk
from precondbench.cli import app
from precondbench.errors import LeaderboardError
from precondbench.leaderboard import render_site
from precondbench.leaderboard.board import standings_of
from precondbench.leaderboard.entries import Leaderboard, MatrixInfo, write_entry, write_track
from precondbench.leaderboard.scoring.intervals import Interval
from precondbench.leaderboard.site import pages as site
from precondbench.leaderboard.site.export import board_json, board_markdown
from precondbench.leaderboard.site.pages import pages_of
from precondbench.leaderboard.site.svg import decade_ticks
from precondbench.leaderboard.site.text import (
    between,
    markdown,
    percent,
    signed_between,
    slugs,
)
from precondbench.leaderboard.site.text import number as written
from precondbench.leaderboard.submissions.schema import Links
from precondbench.leaderboard.timing.times import read_times, write_times

VOID = {"meta", "link", "input", "br", "hr", "img"}
runner = CliRunner()


def entries():
    return [
        learned("net", [8, 20, "invalid"], [9, 22, 31], [7, 21, 30]),
        make_entry("ic-0", [16, "stagnated", 40], method="IC(0)"),
        make_entry("inv-k", [10, 20, 30], method="Inv-K"),
        make_entry("amg", [4, 5, 6], form="operator", method="AMG | V-cycle"),
        make_entry("exact", [1, 1, 1], kind="oracle"),
        learned("net", [8, 9], [9, 9], [7, 8], track=SYNTHETIC),
        make_entry("none", [50, 60], track=SYNTHETIC),
    ]


@pytest.fixture
def folder(tmp_path):
    board = tmp_path / "leaderboard"
    write_track(board, make_track([10, 20, 30]))
    write_track(board, make_track([1, 1], "synthetic"))
    for entry in entries():
        write_entry(board, entry)
    write_times(board, measured("HB/nos3", 960, [0.5, 0.6]))
    write_times(board, measured("graph-100", 100, [2.0, 2.1]))
    return board


def test_times_are_shown(rendered):
    page = Page(None, (rendered / "times.html").read_text())
    words = " ".join(" ".join(page.words).split())
    ratio = "\N{MULTIPLICATION SIGN}2"
    assert f"HB/nos3 960 IC(0) , 0.5 s <Net> {ratio}" in words
    assert f"<Net> learned 9 0 s 1 s {ratio} 20 %" in words
    assert "✗ stagnated why slow" in words
    assert {"HB-nos3", "graph-100"} <= set(page.all("id"))
    assert "times.html" in (rendered / "index.html").read_text()


def test_committed_times_are_shown(folder, tmp_path):
    """Also of problems that no learned method is measured on, or solves."""
    times = Path(__file__).parents[2] / "leaderboard" / "times"
    shutil.copytree(times, folder / "times", dirs_exist_ok=True)
    render_site(folder, tmp_path / "site")
    page = Page(None, (tmp_path / "site" / "times.html").read_text())
    problems = {read_times(path).problem.replace("/", "-") for path in times.glob("*.json")}
    assert problems <= set(page.all("id"))
    assert "\N{EN DASH}" in page.words


@pytest.fixture
def rendered(folder, tmp_path):
    render_site(folder, tmp_path / "site")
    return tmp_path / "site"


def content_of(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


class Page(HTMLParser):
    """Elements of a page; fails where one is not closed."""

    def __init__(self, path: Path | None, text: str) -> None:
        super().__init__()
        self.path, self.stack, self.elements, self.words = path, [], [], []
        self.feed(text)
        assert not self.stack

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag, (self.path, tag, self.getpos())

    def handle_data(self, data):
        self.words.append(data)

    def all(self, attribute):
        return [found[attribute] for _, found in self.elements if attribute in found]


def pages(folder):
    return [Page(path, path.read_text()) for path in sorted(folder.rglob("*.html"))]


def test_what_there_is(rendered):
    names = {path.as_posix() for path in content_of(rendered)}
    assert {
        "index.html",
        "leaderboard.json",
        "leaderboard.md",
        "assets/board.js",
        "assets/style.css",
        f"tracks/{REAL}.html",
        f"entries/{REAL}/net.html",
        f"entries/{SYNTHETIC}/net.html",
        f"matrices/{REAL}/group-matrix-0.html",
    } <= names
    assert not [name for name in names if name.startswith(f"matrices/{SYNTHETIC}")]


def test_links_lead_somewhere(rendered):
    found = 0
    for page in pages(rendered):
        for address in page.all("href") + page.all("src"):
            parts = urlsplit(address)
            if parts.scheme:
                assert parts.scheme in ("http", "https")
                continue
            found += 1
            target = page.path if not parts.path else page.path.parent / unquote(parts.path)
            assert target.is_file(), (page.path, address)
            if parts.fragment:
                assert parts.fragment in Page(target, target.read_text()).all("id")
    assert found > 100


def test_pages_are_sound(rendered):
    for page in pages(rendered):
        names = page.all("id")
        assert len(names) == len(set(names)), page.path
        for tag in ("h1", "main", "header", "footer", "title"):
            assert sum(t == tag for t, _ in page.elements) >= 1
        assert sum(t == "h1" for t, _ in page.elements) == 1
        tables = sum(t == "table" for t, _ in page.elements)
        assert sum(t == "caption" for t, _ in page.elements) == tables
        assert all("scope" in found for t, found in page.elements if t == "th")
        for tag, found in page.elements:
            if tag == "a" and found["href"].startswith("http"):
                assert found["rel"] == "nofollow noopener"
            assert not [name for name in found if name.startswith("on") or name == "style"]
        for reference in page.all("aria-labelledby"):
            assert set(reference.split()) <= set(names)


def test_a_first_look_says_who_is_best(rendered):
    words = " ".join(Page(None, (rendered / "index.html").read_text()).words)
    said = " ".join(words.split())
    assert "Best learned" in said
    assert "Classical leads. Learned minus classical: \N{MINUS SIGN}0.281 [" in said
    assert "Learned leads. Learned minus classical: \N{MINUS SIGN}46.7 [" in said
    assert "IC(0) solves 66.7" in said
    assert "Inv-K solves 100" in said


def test_an_entry_says_where_it_beats_ic0(rendered):
    page = Page(None, (rendered / f"entries/{REAL}/net.html").read_text())
    said = " ".join(" ".join(page.words).split())
    assert (
        "fewer iterations on 1 , only this one converges on 1 , only IC(0) converges on 1" in said
    )
    assert "no prediction" in said
    assert "claims, not checked" in said


def test_every_number_of_a_summary_has_a_column(tmp_path):
    summary = evaluate(SyntheticTridiag(split="val")[:2], invk).summary
    summary = {"effective_hops": 3.0} | {k: v for k, v in summary.items() if k != "matrices"}
    board = tmp_path / "leaderboard"
    write_track(board, make_track([10, 20]))
    write_entry(board, make_entry("full", make_seed([10, 20], summary=summary)))
    render_site(board, tmp_path / "site")
    (page,) = (tmp_path / "site").glob(f"**/{REAL}/full.html")
    table = page.read_text(encoding="utf-8").split('id="seeds"')[1].split("</thead>")[0]
    assert table.count("<th ") == 1 + len(summary)
    assert "_" not in re.sub("<[^>]*>", "", table)


def test_of_many_drawn_matrices_a_page_has_the_hardest(tmp_path):
    count = 40
    track = make_track([10] * count, "synthetic")
    entry = make_entry("net", [*range(20, 20 + count - 1), "stagnated"], track=SYNTHETIC)
    pages = dict(
        pages_of(standings_of(Leaderboard({SYNTHETIC: track}, {SYNTHETIC: {"net": entry}})))
    )
    page = pages[f"entries/{SYNTHETIC}/net.html"]
    assert "the 15 matrices of 40" in page
    shown = [matrix.name for matrix in track.matrices if f'data-value="{matrix.name}"' in page]
    assert shown == [matrix.name for matrix in track.matrices[-15:]]


def test_links_to_a_documentation(folder, tmp_path):
    render_site(folder, tmp_path / "site", documentation="../docs")
    page = (tmp_path / "site" / f"entries/{REAL}/net.html").read_text()
    assert '<a href="../../../docs/protocol.html">Protocol</a>' in page
    render_site(folder, tmp_path / "site", documentation="https://example.org/docs")
    page = (tmp_path / "site" / "index.html").read_text()
    assert '<a href="https://example.org/docs/submitting.html">' in page
    render_site(folder, tmp_path / "site")
    assert "Protocol</a>" not in (tmp_path / "site" / "index.html").read_text()


def test_json_for_others(rendered):
    content = json.loads((rendered / "leaderboard.json").read_text())
    assert (content["format"], content["format_version"]) == ("precondbench-leaderboard", 2)
    real, synthetic = content["tracks"]
    assert (real["ranked_by"], synthetic["ranked_by"]) == ("profile_area", "iterations_mean")
    by_id = {row["id"]: row for row in real["rows"]}
    assert by_id["inv-k"]["numbers"]["profile_area"] == {"mean": 0.5, "min": 0.5, "max": 0.5}
    assert by_id["exact"]["rank"] is None
    assert by_id["inv-k"]["profile"]["1"] == 1.0
    assert synthetic["rows"][0]["numbers"]["profile_area"] is None
    assert (rendered / by_id["net"]["page"]).is_file()


def test_markdown_for_a_readme(rendered):
    text = (rendered / "leaderboard.md").read_text()
    assert "| 1 | AMG \\| V-cycle | classical | reference |" in text
    for line in text.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 10


def test_few_rows_of_markdown():
    track = make_track([5])
    many = {f"m{i}": make_entry(f"m{i}", [i + 1]) for i in range(9)}
    board = Leaderboard(tracks={REAL: track}, entries={REAL: many})
    text = board_markdown(standings_of(board), top=3)
    assert "M2" in text
    assert "M3" not in text


def test_equal_entries_give_equal_bytes(folder, tmp_path):
    render_site(folder, tmp_path / "one")
    render_site(folder, tmp_path / "two")
    assert content_of(tmp_path / "one") == content_of(tmp_path / "two")


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "a | b\n| - | -\n# c",
    "[x](javascript:alert(1)) `code` **bold** <b>&amp;",
    "]]> --> </style></script></title></svg>{{ 7 * 7 }}{% raw %}",
    "http://evil.example www.evil.example a@b.example",
)


@pytest.fixture
def hostile_board():
    """Beyond what the schema lets in: pages must hold where the schema is not asked."""
    track = make_track([10, 20], title=HOSTILE[0])
    evil = [
        MatrixInfo.model_construct(**(dict(m) | {"name": f"{text}{n}", "kind": text}))
        for n, (m, text) in enumerate(zip(track.matrices, HOSTILE[1:3], strict=True))
    ]
    track = track.model_copy(update={"matrices": evil})
    links = Links.model_construct(code="javascript:alert(1)", paper='https://a/"onclick="b')
    made = {}
    for number, text in enumerate(HOSTILE):
        entry = learned(f"e{number}", [8, "invalid"], [9, "stagnated"], [10, 11])
        said = dict.fromkeys(
            ("method", "description", "reference", "licence", "training", "hardware", "command"),
            text,
        )
        seed = entry.seeds[0].model_copy(update={"reason": {"1": text}})
        made[entry.id] = entry.model_copy(
            update=said | {"authors": [text], "links": links, "seeds": [seed, *entry.seeds[1:]]}
        )
    return Leaderboard(tracks={REAL: track}, entries={REAL: made})


def test_hostile_text_stays_text(hostile_board):
    seen = ""
    for name, text in pages_of(standings_of(hostile_board)):
        page = Page(None, text)
        assert {t for t, _ in page.elements} <= ELEMENTS, name
        scripts = [found for t, found in page.elements if t == "script"]
        assert len(scripts) == 1
        assert scripts[0]["src"].endswith("assets/board.js")
        for _, found in page.elements:
            assert not [a for a in found if a.startswith("on") or a in ("style", "srcdoc")]
            assert (
                not found.get("href", "").lower().startswith(("javascript", "data", 'https://a/"'))
            )
        seen += " ".join(page.words)
    for text in HOSTILE:
        assert " ".join(text.split()) in " ".join(seen.split())
    assert "49" not in re.findall(r"</svg>(\d+)", seen)


ELEMENTS = {
    "html", "head", "meta", "title", "link", "script", "body", "a", "header", "svg", "path",
    "span", "nav", "ol", "li", "main", "h1", "h2", "h3", "p", "em", "sup", "sub", "section",
    "div", "article", "dl", "dt", "dd", "b", "bdi", "desc", "text", "rect", "footer", "form",
    "label", "input", "select", "option", "output", "table", "caption", "thead", "tbody", "tr",
    "th", "td", "small", "abbr", "figure", "figcaption", "ul", "details", "summary", "pre",
    "code", "br",
}  # fmt: skip


def test_hostile_text_in_markdown(hostile_board):
    text = board_markdown(standings_of(hostile_board))
    assert "<" not in text
    for line in text.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 10
        bare = re.sub(r"\\[\\`*_\[\]|~:@$!.]", "", line)
        # Intervals are our own brackets.
        bare = re.sub(r" \[[\d., ]+\] \|", "", bare)
        if not line.startswith(("|", "#")):
            continue
        assert not re.search(r"[`*\[\]]|://|www\.", bare.replace("---:", "").replace("---", ""))
    json.loads(board_json(standings_of(hostile_board)))


def test_names_of_files_never_meet():
    names = ["A/b", "a/B", "a-b", "a/b-2", "../x", "/", ".", "é", "A" * 300, "A" * 301]
    made = slugs(names)
    assert len(set(made.values())) == len(names)
    assert all(re.fullmatch(r"[a-z0-9-]{1,110}", slug) for slug in made.values())


def test_a_site_is_replaced_whole(folder, rendered):
    (rendered / "tracks" / "old.html").write_text("old")
    render_site(folder, rendered)
    assert not (rendered / "tracks" / "old.html").exists()
    assert [path.name for path in sorted(rendered.parent.iterdir())] == ["leaderboard", "site"]


def test_a_link_stays_a_link(folder, rendered):
    link = rendered.parent / "link"
    link.symlink_to(rendered, target_is_directory=True)
    render_site(folder, link)
    assert link.is_symlink()
    assert (link / "index.html").is_file()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("thesis.tex", "mine", "is not a rendered site"),
        ("leaderboard.json", "{", "is not a rendered site"),
        ("leaderboard.json", '{"format": "another"}', "is not a rendered site"),
        ("leaderboard.json", "[]", "is not a rendered site"),
    ],
)
def test_a_foreign_folder_is_left_alone(folder, tmp_path, name, text, message):
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text(text)
    with pytest.raises(LeaderboardError, match=message):
        render_site(folder, out)
    assert content_of(out) == {Path(name): text.encode()}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["leaderboard", "out"]


def test_a_site_with_something_of_ones_own(folder, rendered):
    (rendered / ".git").mkdir()
    with pytest.raises(LeaderboardError, match=r"holds '\.git', which is no part of a site"):
        render_site(folder, rendered)
    assert (rendered / ".git").is_dir()


def test_a_file_and_an_empty_folder(folder, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(LeaderboardError, match="is a file; name a folder"):
        render_site(folder, tmp_path / "file")
    (tmp_path / "empty").mkdir()
    render_site(folder, tmp_path / "empty")
    assert (tmp_path / "empty" / "index.html").is_file()


def test_a_failure_leaves_the_old_site(folder, rendered, monkeypatch):
    before = content_of(rendered)

    def failing(*_):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(site, "board_markdown", failing)
    with pytest.raises(RuntimeError):
        render_site(folder, rendered)
    assert content_of(rendered) == before
    assert sorted(path.name for path in rendered.parent.iterdir()) == ["leaderboard", "site"]


def test_a_track_without_entries(tmp_path):
    write_track(tmp_path / "board", make_track([10]))
    render_site(tmp_path / "board", tmp_path / "site")
    assert "No entries yet" in (tmp_path / f"site/tracks/{REAL}.html").read_text()
    assert "no entries yet" in (tmp_path / "site/leaderboard.md").read_text()


def test_the_command(folder, tmp_path):
    out = tmp_path / "public"
    arguments = ["leaderboard", "render", "--folder", str(folder), "--out", str(out)]
    result = runner.invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "files; open" in " ".join(result.stdout.split())
    (out / "mine").write_text("x")
    result = runner.invoke(app, arguments)
    assert result.exit_code == 1
    assert "holds 'mine'" in " ".join(result.stderr.split())


def test_numbers_and_names_are_written_for_readers():
    numbers = [10_000, 123.4, 12.34, 0.5, 3, None]
    assert list(map(written, numbers)) == ["10,000", "123", "12.3", "0.50", "3", "\N{EN DASH}"]
    shares = [percent(share).split() for share in (1.0, 0.9999, 13 / 14)]
    assert shares == [["100", "%"], ["99.9", "%"], ["92.9", "%"]]
    assert between(Interval(0.5, 0.4, 0.6), real=True) == "[0.400, 0.600]"
    assert between(Interval(0.5, 0.5, 0.5), real=True) == ""
    minus = "\N{MINUS SIGN}"
    assert signed_between(Interval(-3, -4.56, 1234), real=False) == (
        f"{minus}3 [{minus}4.56, +1,234]"
    )
    assert signed_between(Interval(1e-5, 1e-5, 1e-5), real=True) == "0.000"
    assert decade_ticks(1, 60) == [1.0, 2.0, 5.0, 10.0, 20.0, 50.0]
    assert slugs(["HB/bcsstk01", "hb_bcsstk01", "../.."]) == {
        "HB/bcsstk01": "hb-bcsstk01", "hb_bcsstk01": "hb-bcsstk01-2", "../..": "matrix"
    }  # fmt: skip
    assert markdown("IC(0) | <b>*best*</b>\nhttp://a.b") == (
        "IC(0) \\| &lt;b&gt;\\*best\\*&lt;/b&gt; http\\://a.b"
    )
