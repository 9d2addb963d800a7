"""Formulas as MathML, which browsers show by themselves: the site loads nothing from elsewhere."""

from __future__ import annotations

import re
from typing import Any
from xml.etree.ElementTree import Element, fromstring, tostring

from docutils import nodes
from latex2mathml.converter import convert

NAMESPACE = "http://www.w3.org/1998/Math/MathML"


SPACE = "0.167em"
ROWS = ("math", "mrow", "mstyle", "msqrt")


def mathml(tex: str, display: str) -> str:
    """Return a formula of LaTeX as MathML, spaced as LaTeX does."""
    # After \bigl and \bigr the converter takes a character, and no command.
    tex = re.sub(r"\\[lr]Vert\b ?", "\u2016", tex)
    root = fromstring(convert(tex, display=display).replace(' xmlns="' + NAMESPACE + '"', ""))  # noqa: S314
    for node in root.iter():
        if node.tag == "mo" and node.text in ("|", "\u2016"):
            node.attrib |= {"lspace": "0", "rspace": "0"}
        elif node.tag == "mo" and node.text and re.fullmatch("[A-Za-z]{2,}", node.text):
            node.tag = "mi"
    for node in list(root.iter()):
        if display == "block" and node.tag == "msub" and node[0].text in ("max", "min"):
            node.tag = "munder"
        if node.tag in ROWS:
            _space_names(node)
    root.set("xmlns", NAMESPACE)
    return tostring(root, encoding="unicode")


def _space_names(row: Element) -> None:
    """Part names such as log and tr from what is no operator and no parenthesis."""
    children = list(row)
    for place in range(len(children) - 1, 0, -1):
        before, after = children[place - 1 : place + 1]
        if "mo" not in (before.tag, after.tag) and (_is_name(before) or _is_name(after)):
            row.insert(place, Element("mspace", width=SPACE))


def _is_name(node: Element) -> bool:
    base = node[0] if node.tag in ("msub", "msup", "msubsup", "munder") else node
    return base.tag == "mi" and len(base.text or "") > 1


def _inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.math_block) -> None:
    formula = mathml(node.astext(), "block")
    # Wide ones scroll on a small screen: by keyboard, too.
    translator.body.append(f'<div class="math-block" tabindex="0">{formula}</div>\n')
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, bool]:
    """Register the renderer `mathml`."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
