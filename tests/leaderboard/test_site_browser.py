"""The site in a real browser: sorting, filters, accessibility, small screens."""

import pytest
from board_models import REAL, SYNTHETIC, learned, make_entry, make_seed, make_track

from precondbench.leaderboard import render_site
from precondbench.leaderboard.entries import write_entry, write_track

PAGES = {
    "index": "index.html",
    "real track": f"tracks/{REAL}.html",
    "synthetic track": f"tracks/{SYNTHETIC}.html",
    "entry": f"entries/{REAL}/net.html",
    "matrix": f"matrices/{REAL}/group-matrix-0.html",
}
UNEVEN = [[30, 10, 12, 30], [60, 60, 59, 58], [90, 91, 92, 93]]
# Iterations are of the side with the most, but these tests do not score.
START = [make_seed([40, 60, "invalid"], seed).model_dump(mode="json") for seed in range(3)]
FROM_START = {"start": START, "gain": {"mean": 0.12, "low": -0.01, "high": 0.25}}
COMMAND = "precondbench train suitesparse-invk --model Net --set rounds=4 --set width=16 --seeds 0"
LONG = "A method with a name that is far too long for a telephone " + "x" * 60


def operator(iterations):
    none = [None] * len(iterations)
    return make_seed(iterations, cosine=none, log10_one_minus_cosine=none, n_log_k=none)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    write_track(folder / "leaderboard", make_track([10, 20, 30]))
    write_track(folder / "leaderboard", make_track([1, 1], "synthetic"))
    hops = {"summary": {"effective_hops": 2.5, "solved": 1.0}}
    for entry in (
        learned("net", [8, 20, "invalid"], [9, 22, 31], [7, 21, 30], **FROM_START, command=COMMAND),
        learned("long", [80, 20, 300], [9, 220, 31], [70, 21, 30], method=LONG),
        make_entry("fit", make_seed([30, 60, 90], 0, sides=UNEVEN), kind="fitted", method="Fit"),
        make_entry("ic-0", [16, "stagnated", 40], method="IC(0)"),
        make_entry("inv-k", [10, 20, 30], method="Inv-K"),
        make_entry("amg", operator([4, 5, 6]), form="operator", method="AMG"),
        make_entry("exact", [1, 1, 1], kind="oracle"),
        learned("net", [8, 9], [9, 9], [7, 8], track=SYNTHETIC),
        make_entry("oracle", [5, 5], track=SYNTHETIC, kind="oracle"),
        make_entry("none", [50, 60], track=SYNTHETIC),
    ):
        seeds = [s.model_copy(update=hops) for s in entry.seeds]
        if entry.track == SYNTHETIC:
            entry = entry.model_copy(update={"seeds": seeds})
        write_entry(folder / "leaderboard", entry)
    render_site(folder / "leaderboard", folder / "site")
    return folder / "site"


@pytest.fixture
def opened(browser, site):
    """Open a page: ``opened("index", width=360)``; errors of the page fail the test."""
    contexts, problems = [], []

    def open_page(name, width=1280, height=900, scheme="light", **options):
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("requestfailed", lambda request: problems.append(request.url))
        page.goto((site / PAGES[name]).as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def methods(page):
    rows = page.locator("#board-table tbody tr:not([hidden])")
    return rows.evaluate_all("rows => rows.map(row => row.querySelector('th bdi').textContent)")


def sorting(page, heading):
    button = page.locator("#board-table thead").get_by_role("button", name=heading, exact=True)
    return button, button.locator("xpath=..")


def test_the_first_order_is_the_rank(opened):
    assert methods(opened("real track")) == ["EXACT", "AMG", "Inv-K", "NET", LONG, "Fit", "IC(0)"]


def test_sorting_by_click(opened):
    page = opened("real track")
    button, header = sorting(page, "Solved")
    assert header.get_attribute("aria-sort") is None
    button.click()
    # More is better here: the largest come first.
    assert header.get_attribute("aria-sort") == "descending"
    assert methods(page)[-1] == "IC(0)"
    button.click()
    assert header.get_attribute("aria-sort") == "ascending"
    assert methods(page)[0] == "IC(0)"
    other, other_header = sorting(page, "Method")
    other.click()
    assert other_header.get_attribute("aria-sort") == "ascending"
    assert header.get_attribute("aria-sort") is None
    names = methods(page)
    assert names == sorted(names, key=str.lower)


def test_sorting_by_keyboard_keeps_what_is_unknown_last(opened):
    page = opened("real track")
    button, header = sorting(page, "Cosine")
    for key, direction in (("Enter", "descending"), ("Space", "ascending")):
        button.focus()
        page.keyboard.press(key)
        assert header.get_attribute("aria-sort") == direction
        assert methods(page)[-1] == "AMG"


def test_rank_sorts_as_numbers_with_oracles_last(opened):
    page = opened("real track")
    button, _ = sorting(page, "Rank")
    button.click()
    ranks = page.locator("#board-table td.rank").all_inner_texts()
    assert ranks == ["1", "=2", "=2", "=2", "=5", "=5", "·"]


def select(page, name):
    return page.get_by_role("combobox", name=name)


def test_filters(opened):
    page = opened("real track")
    count = page.locator("output.count")
    assert count.inner_text() == "7 of 7 entries"
    select(page, "Kind").select_option("learned")
    assert set(methods(page)) == {"NET", LONG}
    select(page, "Kind").select_option("fitted")
    assert methods(page) == ["Fit"]
    select(page, "Tier").select_option("scored")
    assert methods(page) == []
    select(page, "Kind").select_option("all")
    assert set(methods(page)) == {"NET", LONG}
    assert count.inner_text() == "2 of 7 entries"
    for name in ("Kind", "Tier"):
        select(page, name).select_option("all")
    select(page, "Form").select_option("operator")
    assert methods(page) == ["AMG"]
    select(page, "Form").select_option("all")
    page.get_by_role("searchbox", name="Find").fill("inv")
    assert methods(page) == ["Inv-K"]
    page.get_by_role("searchbox", name="Find").fill("nothing of that name")
    assert methods(page) == []
    assert count.inner_text() == "0 of 7 entries"


def test_without_scripts_the_table_is_complete(opened):
    page = opened("real track", java_script_enabled=False)
    assert page.locator("#board-table tbody tr").count() == 7
    assert page.locator("#board-table thead button").count() == 0
    assert page.locator("form.filters").is_hidden()
    assert page.locator("#board-table tbody tr").last.is_visible()


def test_walking_through_the_site(opened):
    page = opened("index")
    page.get_by_role("link", name="Real ones").click()
    page.locator("#board-table").get_by_role("link", name="NET").click()
    assert page.locator("h1").inner_text() == "NET"
    page.locator("table.sortable").get_by_role("link", name="Group/matrix_2").click()
    assert page.locator("h1").inner_text() == "Group/matrix_2"
    page.get_by_role("link", name="precondbench").click()
    assert page.locator("h1").inner_text().startswith("Sparse preconditioners")


def test_the_skip_link_is_the_first_stop(opened):
    page = opened("index")
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


@pytest.mark.parametrize("name", PAGES)
def test_nothing_scrolls_sideways_on_a_phone(opened, name):
    page = opened(name, width=360, height=740)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_colours_follow_the_scheme(opened):
    grounds = {
        scheme: opened("real track", scheme=scheme).evaluate(
            "() => getComputedStyle(document.body).backgroundColor"
        )
        for scheme in ("light", "dark")
    }
    assert sum(map(int, grounds["light"][4:-1].split(","))) > 700
    assert sum(map(int, grounds["dark"][4:-1].split(","))) < 100


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_accessibility(opened, violations, name, scheme):
    page = opened(name, scheme=scheme)
    page.locator("details").evaluate_all("all => all.forEach(one => one.open = true)")
    assert violations(page, contrast_alone=scheme == "dark") == []
