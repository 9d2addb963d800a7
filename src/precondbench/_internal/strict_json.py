"""Reading of JSON files from outside, checked against a pydantic model."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from precondbench._internal.files import LARGEST_TEXT, read_text
from precondbench.errors import PrecondbenchError

ModelT = TypeVar("ModelT", bound=BaseModel)


def loads(text: str | bytes) -> Any:
    """Parse JSON without a schema; ValueError also for nesting that is too deep."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_model(
    path: Path,
    model: type[ModelT],
    error: type[PrecondbenchError],
    hint: str,
    *,
    largest: int = LARGEST_TEXT,
) -> ModelT:
    """Read a JSON file into a pydantic model, or raise ``error``.

    Besides what ``read_text`` and the model refuse: repeated keys in one object, NaN, infinities
    and nesting that is too deep. ``hint`` ends the message about a file of another schema.
    """
    text = read_text(path, error, largest=largest)
    try:
        data = json.loads(
            text, object_pairs_hook=_without_repetition, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError as problem:
        raise error(
            f"{path} is not JSON: {problem.msg} at line {problem.lineno}, column {problem.colno}"
        ) from None
    except ValueError as problem:
        raise error(f"{path}: {problem}") from None
    except RecursionError:
        raise error(f"{path} is nested too deeply; it cannot be right") from None
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
