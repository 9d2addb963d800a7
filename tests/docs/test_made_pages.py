"""Pages show what their makers write, and no number in prose comes from anywhere else."""

import importlib
import tomllib
from pathlib import Path

import pytest

import make_pages
from making import bullets, counted, listed, paragraph, short, span
from unsourced import DEFINITIONS, MAKERS, PAGES, definitions_of, prose, unsourced, words_of

ROOT = Path(__file__).parents[2]
# Of figures and notebooks; the others have a function ``filled``, or tests of their own.
APART = {
    "architecture_page", "board_picture", "families_figures", "idea_picture",
    "mathematics_figures", "notebooks",
}  # fmt: skip

pytestmark = pytest.mark.skipif(
    not (ROOT / "leaderboard").is_dir(), reason="the leaderboard is not installed"
)


@pytest.mark.parametrize("name", sorted(set(make_pages.NAMES) - APART))
def test_a_page_is_what_its_maker_writes(name):
    maker = importlib.import_module(f"make_{name}")
    page = maker.PAGE.read_text(encoding="utf-8")
    assert maker.filled(page) == page, f"run python docs/make_pages.py {name}"


@pytest.mark.parametrize("page", PAGES)
def test_every_number_is_made_or_defined(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert unsourced(text, definitions_of(page)) == [], "let a maker write it, or define it"


@pytest.mark.parametrize("maker", MAKERS)
def test_makers_write_no_numbers_of_their_own(maker):
    for text in words_of((ROOT / maker).read_text(encoding="utf-8")):
        assert unsourced(text, definitions_of(maker)) == [], "take it from results, or define it"


def test_no_definition_is_left_over():
    definitions = tomllib.loads(DEFINITIONS.read_text(encoding="utf-8"))
    pages = {Path(page).stem: (ROOT / page).read_text(encoding="utf-8") for page in PAGES}
    sources = [(ROOT / maker).read_text(encoding="utf-8") for maker in MAKERS]
    texts = {page: prose(text) for page, text in pages.items()}
    texts |= {
        "everywhere": " ".join(texts.values()),
        "makers": " ".join(prose(text) for source in sources for text in words_of(source)),
    }
    for page, fragments in definitions.items():
        text = texts[page]
        assert [fragment for fragment in fragments if fragment not in text] == []


def test_numbers_are_found():
    page = """# Title 7

Solved 93 % of 14 matrices in 2024, $3 \\cdot 10^{-4}$ on $n = 50$, by `--set k=3`, twice as fast.

<!-- made -->
Median 1.38.
<!-- end of made -->

| a | 5 |

```python
>>> 1 + 1
2
```
"""
    found = [text.partition(":")[0] for text in unsourced(page, ["14 matrices"])]
    assert found == ["93", "$3", "10^{-4}$", "twice", "5"]


def test_an_unknown_maker(capsys):
    assert make_pages.main(["nothing"]) == 2
    assert "there is no maker nothing" in capsys.readouterr().err


def test_words():
    assert listed([]) == "none"
    assert listed("abc") == "a, b and c"
    assert span([2.0, 0.5, 1.0]) == "0.5 to 2"
    assert (short(0), short(12_345.6), short(1e-5)) == ("0", "12,346", "1.0e-05")
    assert counted(3, 3, "sets") == "all 3 sets"
    assert counted(0, 3) == "none of 3"
    assert bullets(["a", "", "b"]) == "- a\n- b"
    lines = paragraph("$1 - \\cos$ and n = 50 " * 30).splitlines()
    assert max(map(len, lines)) <= 120
    assert not any(line.startswith(("- ", "= ")) or line.endswith(" n") for line in lines)
