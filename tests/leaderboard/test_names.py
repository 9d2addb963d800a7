"""Names on boards: what they may be, what is taken for what, and addresses."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from precondbench.leaderboard import TRACKS
from precondbench.leaderboard.methods.registry import reference_rows
from precondbench.leaderboard.submissions.names import (
    author_name,
    method_name,
    skeleton,
    visible,
)
from precondbench.leaderboard.submissions.schema import Url

LOOK_ALIKE = [
    ("IC(0)", "\u0399C(0)"),
    ("IC(0)", "\u0406\u0421(\u041e)"),
    ("IC(0)", "lC (O)"),
    ("IC(0)", "ic0"),
    ("Inv-K", "lnv\u2013k"),
    ("Inv-K", "\u0406nv-\u039a"),
    ("Inv-K", "\u00cdnv-K"),
    ("Jacobi", "Ja\u0441obi"),
    ("Jacobi", "Jac\u03bfb\u0131"),
    ("Modern", "Modem"),
    ("Network", "Netvvork"),
    ("\u03bb-net", "\u03bb net"),
    ("precondbench", "PreC0ndBench"),
    ("precondbench", "\u0440r\u0435\u0441\u043endb\u0435n\u0441h"),
]


@pytest.mark.parametrize(("one", "other"), LOOK_ALIKE)
def test_what_looks_alike_has_one_skeleton(one, other):
    assert skeleton(one) == skeleton(other)


def test_what_differs_has_another():
    names = [name for track in TRACKS for name in reference_rows(track)]
    assert len({skeleton(name) for name in set(names)}) == len(set(names))
    assert skeleton("IC(0)") != skeleton("IC(0)+")
    assert skeleton("MLP (4 rounds)") != skeleton("MLP (8 rounds)")


@given(st.text(alphabet=st.characters(max_codepoint=0x17F), max_size=30))
def test_case_accents_and_spaces_do_not_count(text):
    """By Unicode's own small letters, where they have the same form."""
    assert skeleton(unicodedata.normalize("NFD", text)) == skeleton(text)
    assert skeleton(text.replace("a", " a-")) == skeleton(text)


@pytest.mark.parametrize(
    "name", ["GraphTransformer (4 rounds)", "Inv-K, k = 3", "\u03bb-net", "Möbius ≥ 2", "C++ & <b>"]
)
def test_names_that_methods_may_have(name):
    assert method_name(name) == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("IC\u200b(0)", "invisible"),
        ("IC\u202e(0)", "invisible"),
        ("IC\u3164", "invisible"),
        ("IC\ufe0f", "invisible"),
        ("IC\x07", "invisible"),
        ("IC\ue000", "invisible"),
        ("IC\u2028", "invisible"),
        ("\uff29C", "NFKC"),
        ("e\u0301", "NFKC"),
        ("\u2160C", "NFKC"),
        ("\u0421G", "Latin and Greek"),
        ("\u4e2d", "Latin and Greek"),
        ("\u0261rid", "Latin and Greek"),
        ("\U0001f680 CG", "Latin and Greek"),
        ("---", "letter or a digit"),
        ("a  b", "single spaces"),
    ],
)
def test_names_that_methods_may_not_have(name, message):
    with pytest.raises(ValueError, match=message):
        method_name(name)


@pytest.mark.parametrize(
    "name",
    ["Åke Björck", "王小明", "山田 太郎", "Иван Петров", "محمد", "J. O\u2019Neil-Smith", "김철수"],
)
def test_names_that_authors_may_have(name):
    assert author_name(name) == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("\u0440recondbench", "mixes"),
        ("A\u0391", "mixes"),
        ("\u13aa\u13b3", "CHEROKEE"),
        ("\ua4d0\ua4d1", "LISU"),
        ("A\u2066B", "invisible"),
    ],
)
def test_names_that_authors_may_not_have(name, message):
    with pytest.raises(ValueError, match=message):
        author_name(name)


@given(st.text(max_size=60))
def test_text_is_kept_or_refused(text):
    hidden = [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Co", "Cn") and c != "\n"]
    if hidden:
        with pytest.raises(ValueError, match="invisible") as caught:
            visible(text)
        assert str(caught.value).isascii()


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org",
        "http://example.org:8080/a?b=c#d",
        "https://medium.com/@me/post",
        "https://xn--80ak6aa92e.com/",
        "https://github.com/a/b/tree/main@v1",
    ],
)
def test_addresses(address):
    assert TypeAdapter(Url).validate_python(address) == address


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com@evil.org",
        "https://user:word@evil.org/",
        "https://github.com;@evil.org",
        "https://g\u0456thub.com/",
        "https://github.com\u2044evil.org/",
        "https://exa\u00admple.org/",
        "https://example.org/\u202egpj.exe",
        "https:///evil.org",
        "https://:80/",
        "https://[::1]/",
        "https://example.org%2f.evil.org/",
        "https://example..org/",
        "ftp://example.org/",
        "https://example.org/a b",
        "https://example.org\\@evil.org",
        "//example.org",
    ],
)
def test_addresses_that_lead_elsewhere(address):
    with pytest.raises(ValidationError):
        TypeAdapter(Url).validate_python(address)
