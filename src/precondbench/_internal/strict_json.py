"""Reading of JSON files from outside, checked against a pydantic model.

pydantic is imported where it is used: plain JSON needs none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from precondbench._internal.files import LARGEST_TEXT, read_text
from precondbench.errors import PrecondbenchError

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

ModelT = TypeVar("ModelT", bound="BaseModel")

_LARGEST_INTEGER = 2**64  # exclusive; the arrays and seeds of this library need no more
_LONGEST_INTEGER = 20  # digits, and a sign


def loads(text: str | bytes) -> Any:
    """Parse JSON without a schema, as RFC 8259 and double precision have it.

    Refuses what ``json`` of Python lets pass: keys that appear twice in one object, NaN and
    infinities, numbers that overflow double precision, integers of more than 64 bits, nesting
    that is too deep.

    Raises
    ------
    ValueError
        With what is wrong, in one line (``json.JSONDecodeError`` if it is the syntax).
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=_without_repetition,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
    except RecursionError:
        raise ValueError("nested too deeply; it cannot be right") from None


def read_model(
    path: Path,
    model: type[ModelT],
    error: type[PrecondbenchError],
    hint: str,
    *,
    largest: int = LARGEST_TEXT,
) -> ModelT:
    """Read a JSON file into a pydantic model, or raise ``error``.

    Refused is what ``read_text``, :func:`loads` and the model refuse. ``hint`` ends the message
    about a file of another schema.
    """
    from pydantic import ValidationError

    text = read_text(path, error, largest=largest)
    try:
        data = loads(text)
    except json.JSONDecodeError as problem:
        raise error(
            f"{path} is not JSON: {problem.msg} at line {problem.lineno}, column {problem.colno}"
        ) from None
    except ValueError as problem:
        raise error(f"{path}: {problem}") from None
    try:
        return model.model_validate(data)
    except ValidationError as problem:
        raise error(
            f"{path} does not follow its schema at {first_problem(problem)}; {hint}"
        ) from None


def first_problem(error: ValidationError) -> str:
    """Describe where and how a model was first violated, and how many problems there are."""
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"])) or "top level"
    count = error.error_count()
    more = f" (and {count - 1} more)" if count > 1 else ""
    return f"{place}: {first['msg']}{more}"


def _without_repetition(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"the key {key!r} appears twice in one object; remove one")
        result[key] = value
    return result


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not a JSON number; remove it")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{_short(text)} overflows double precision; correct it")
    return value


def _integer(text: str) -> int:
    # The length first: Python refuses to read integers of thousands of digits.
    if len(text) <= _LONGEST_INTEGER + 1 and abs(value := int(text)) < _LARGEST_INTEGER:
        return value
    raise ValueError(f"{_short(text)} has more than 64 bits; correct it")


def _short(number: str) -> str:
    return number if len(number) < 30 else f"{number[:20]}... ({len(number)} characters)"
