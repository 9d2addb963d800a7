"""JSON files from outside: bounded, without ambiguity, checked against a model."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from precondbench.errors import PrecondbenchError

__all__ = ["first_problem", "read_model"]

ModelT = TypeVar("ModelT", bound=BaseModel)

LARGEST = 256 * 2**20


def read_model(
    path: Path,
    model: type[ModelT],
    error: type[PrecondbenchError],
    hint: str,
    *,
    largest: int = LARGEST,
) -> ModelT:
    """Read a JSON file into a pydantic model.

    Refused, besides what the model refuses: files that are not regular (a pipe would wait for
    ever), larger than ``largest`` bytes or not UTF-8, keys that appear twice in one object, NaN
    and infinities, and nesting too deep to parse.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    model : type
        Class of the result.
    error : type
        Exception to raise.
    hint : str
        What to do about a file that does not follow its schema; ends the message.
    largest : int
        Most bytes.

    Raises
    ------
    PrecondbenchError
        Of class ``error``: it says what is wrong, where, and what to do.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise error(f"{path} is not a regular file; replace it by one")
        if status.st_size > largest:
            raise error(
                f"{path} has {status.st_size} bytes, more than {largest}; it cannot be right"
            )
        text = path.read_text(encoding="utf-8")
    except OSError as problem:
        raise error(f"{path} cannot be read ({problem.strerror}); is the path right?") from None
    except UnicodeDecodeError as problem:
        raise error(f"{path} is not UTF-8 text ({problem}); save it as such") from None
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
    """Say where a model was first violated, how, and how often."""
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
