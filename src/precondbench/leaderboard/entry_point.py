"""A method named as ``module:function`` or ``file.py:function``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from precondbench.errors import ConfigurationError
from precondbench.user_code import import_user_code

__all__ = ["load_entry_point"]


def load_entry_point(entry: str) -> Callable[[Any], Any]:
    """Import a function A -> L; the code is run: it must be one's own.

    Parameters
    ----------
    entry : str
        ``module:function``, or ``path/file.py:function``.

    Raises
    ------
    ConfigurationError
        If there is no such module, file or function.

    Examples
    --------
    >>> from precondbench.leaderboard.entry_point import load_entry_point
    >>> load_entry_point("precondbench:ic0").__name__
    'ic0'
    """
    source, _, name = entry.rpartition(":")
    if not source or not name:
        raise ConfigurationError(f"{entry!r} is no entry point; write for example mine.py:predict")
    function: Any = getattr(import_user_code(source), name, None)
    if not callable(function):
        raise ConfigurationError(f"{source} has no function {name!r}")
    return function  # type: ignore[no-any-return]
