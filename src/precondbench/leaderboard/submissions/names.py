"""Names on boards: what they may be made of, and which look alike.

Names are compared by their *skeleton*: the letters and digits that a reader would take them for,
without case, accents, spaces and punctuation. Letters come from a closed alphabet, so that the
table below covers all of it: for methods, Latin of the blocks Basic, Latin-1 and Extended-A, and
Greek; for authors also other scripts, of which Cyrillic and Armenian are in the table and may not
be mixed with Latin in a word. The rows are those of Unicode's confusables.txt for these blocks.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

RESERVED_AUTHOR = "precondbench"
# Beside ASCII, letters and digits.
_SIGNS = frozenset("–—’·×±≤≥→∞√°")
# Scripts that people write names in; letters of others look like those of these.
_SCRIPTS = re.compile(
    "LATIN|GREEK|CYRILLIC|ARMENIAN|GEORGIAN|HEBREW|ARABIC|DEVANAGARI|BENGALI|GURMUKHI|GUJARATI|"
    "ORIYA|TAMIL|TELUGU|KANNADA|MALAYALAM|SINHALA|THAI|LAO|TIBETAN|MYANMAR|KHMER|ETHIOPIC|HANGUL|"
    "HIRAGANA|KATAKANA|KATAKANA-HIRAGANA|CJK|IDEOGRAPHIC|BOPOMOFO"
)
_LOOK_ALIKE = ("LATIN", "GREEK", "CYRILLIC", "ARMENIAN")
_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _table(pairs: str) -> dict[int, str]:
    return {ord(pair[0]): pair[1:] for pair in pairs.split()}


# Capitals first: some look like a letter other than their small form does.
_CAPITALS = _table(
    "ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX "
    "АA ВB ЕE З3 Ӡ3 ІI ЇI ЈJ КK МM НH ОO РP СC ТT УY ХX ЅS ЬB ҮY ԌG ԚQ ԜW ӀI ҺH ԁD "
    "ՍU ՏS ՕO ԼL ՀU ԱU ՈN ՑC ՁD ՒL ԳF ԵE Փφ ßb ẞb ſf "
)
_SMALL = _table(
    "αa βb γy εe ηn ιi κk μu νv οo ρp σo ςc τt υu χx ωw πn "
    "аa б6 вb гr еe ёe з3 ӡ3 іi їi јj кk мm нh оo пn рp сc тt уy хx ѕs ьb ѵv ѡw ԁd ԛq ԝw һh ӏl үy "
    "ҽe ӕae աw գq զq ցg հh յj նu ոn պw սu ցg ւl օo քp ԛq եt տm քf ռn ձd թp "
    "ıi łl øo đd ħh ŧt ŋn ĸk æae œoe ðd þp фφ "
    "0o 1l il |l !l 5s "
)
_PAIRS = (("rn", "m"), ("vv", "w"), ("cl", "d"))


def skeleton(name: str) -> str:
    """Reduce a name to what a reader takes it for; equal skeletons look alike."""
    text = unicodedata.normalize("NFKD", name)
    text = "".join(c for c in text if unicodedata.category(c) != "Mn")
    # Twice, as some become an i, which is taken for an l.
    text = text.translate(_CAPITALS).casefold().translate(_SMALL).translate(_SMALL)
    text = "".join(c for c in text if c.isalnum() or c == "+")
    for pair, letter in _PAIRS:
        text = text.replace(pair, letter)
    return text


def visible(text: str) -> str:
    """Return a text that shows what it holds; ValueError names the first character that does not.

    Refused are control characters except line breaks, marks that change the direction of reading,
    characters without width and those that Unicode does not know.
    """
    for character in text:
        hidden = unicodedata.category(character) in _INVISIBLE and character != "\n"
        # Fillers and selectors of a variant are letters and marks by category.
        if hidden or character in "\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5":
            raise ValueError(f"the text holds the control or invisible character {character!a}")
        if 0xFE00 <= ord(character) <= 0xFE0F or 0xE0100 <= ord(character) <= 0xE01EF:
            raise ValueError(f"the text holds the control or invisible character {character!a}")
    return text


def method_name(name: str) -> str:
    """Return a name that a method may have; ValueError says what is wrong with it."""
    _check_form(name)
    for character in name:
        code = ord(character)
        letter = 0xC0 <= code < 0x180 or 0x391 <= code <= 0x3C9
        if not (0x20 <= code < 0x7F or letter or character in _SIGNS):
            raise ValueError(
                f"the name of a method holds {character!a}; it is made of Latin and Greek letters, "
                "digits and common signs, so that no two look alike"
            )
    return name


def author_name(name: str) -> str:
    """Return a name that an author may have; ValueError says what is wrong with it."""
    _check_form(name)
    for word in re.findall(r"[^\W\d_]+", name):
        scripts = [_script(character) for character in word]
        unknown = [script for script in scripts if not _SCRIPTS.fullmatch(script)]
        if unknown:
            raise ValueError(f"the name of an author holds a letter of {unknown[0]}; write it out")
        mixed = [two for two in pairwise(scripts) if two[0] != two[1] and {*two} & {*_LOOK_ALIKE}]
        if mixed:
            raise ValueError(
                f"the word {word!a} mixes letters of {' and '.join(mixed[0])}, which look alike"
            )
    return name


def _check_form(name: str) -> None:
    visible(name)
    if name != unicodedata.normalize("NFKC", name):
        raise ValueError(
            f"the name {name!a:.60} is not in Unicode's normal form NFKC; write it as "
            f"{unicodedata.normalize('NFKC', name)!a:.60}"
        )
    if not skeleton(name):
        raise ValueError("a name holds a letter or a digit")
    if "  " in name or any(c.isspace() and c != " " for c in name):
        raise ValueError("a name holds single spaces only")


def _script(character: str) -> str:
    return unicodedata.name(character, "an unknown script").split()[0]
