"""Settings: frozen dataclasses whose values pydantic checks."""

from __future__ import annotations

from functools import wraps
from typing import Any, TypeVar, dataclass_transform

from pydantic import ConfigDict, ValidationError
from pydantic.dataclasses import dataclass

from precondbench.errors import ConfigurationError

SettingsT = TypeVar("SettingsT")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def settings_class(cls: type[SettingsT]) -> type[SettingsT]:
    """Class decorator: a frozen dataclass made of keywords, which refuses unknown or bad ones.

    Types are not converted. What pydantic finds wrong is raised as a ConfigurationError.
    """
    config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    checked: Any = dataclass(frozen=True, kw_only=True, config=config)(cls)
    construct = checked.__init__

    @wraps(construct)
    def init(self: Any, **values: Any) -> None:
        try:
            construct(self, **values)
        except ValidationError as error:
            raise ConfigurationError(_explained(error, checked.__dataclass_fields__)) from None

    checked.__init__ = init
    made: type[SettingsT] = checked
    return made


def _explained(error: ValidationError, known: Any) -> str:
    """Say which setting is wrong, what it is, and what it may be."""
    problems = error.errors(include_url=False)
    unknown = [str(p["loc"][0]) for p in problems if p["type"] == "unexpected_keyword_argument"]
    if unknown:
        return f"unknown settings: {', '.join(sorted(unknown))}; known: {', '.join(sorted(known))}"
    first = problems[0]
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"the settings name no {name}"
    allowed = first["msg"].removeprefix("Input should be ")
    return f"{name} is {first['input']!r}; it must be {allowed}"
