"""Checks of numeric options, the same in solvers, factors and patterns, and advice on names."""

from __future__ import annotations

import difflib
import math
import numbers
import operator
from collections.abc import Iterable
from typing import Any

from precondbench.errors import ConfigurationError


def whole_number(name: str, value: Any, least: int = 0) -> int:
    """Return an option that is an integer of at least ``least``, of Python's or NumPy's types.

    Booleans and floats are refused, whole ones too: 2.5 must not become 2, nor True become 1.
    """
    try:
        number = None if _is_boolean(value) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least:
        raise ConfigurationError(f"{name} is {value!r}; give an integer of {least} or more")
    return number


def real_number(name: str, value: Any, least: float = 0.0) -> float:
    """Return an option that is a finite real number of at least ``least``, as a float."""
    number = math.nan
    if isinstance(value, numbers.Real) and not _is_boolean(value):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
    if not least <= number < math.inf:
        raise ConfigurationError(f"{name} is {value!r}; give a finite number of {least:g} or more")
    return number


def _is_boolean(value: Any) -> bool:
    # NumPy's booleans are no subclass of bool, and no number either.
    return isinstance(value, bool) or getattr(getattr(value, "dtype", None), "kind", "") == "b"


def did_you_mean(name: Any, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return ``; did you mean ...?`` with the closest of the known names, else an empty text."""
    if not isinstance(name, str):
        return "; give one of these texts"
    spelled = {word.lower(): word for word in known}
    close = difflib.get_close_matches(name.lower(), spelled, n=1, cutoff=cutoff)
    return f"; did you mean {spelled[close[0]]!r}?" if close else ""
