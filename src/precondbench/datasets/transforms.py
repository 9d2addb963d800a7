"""Names of transforms: what the key of processed tensors says about user code."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

__all__ = ["describe"]

# The default representation of an object says where it lies, not what it is.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def describe(function: Callable[..., Any] | None) -> str | None:
    """Say what a transform is, or None if that cannot be known from outside.

    Functions and lambdas are told apart by their code, defaults and closure; PyG transforms by
    their representation, which shows their arguments. What is None must not be cached.

    Parameters
    ----------
    function : callable or None
        ``pre_transform`` or ``pre_filter``.

    Returns
    -------
    str or None
        Empty for no transform.

    Examples
    --------
    >>> from precondbench.datasets.transforms import describe
    >>> describe(lambda item: item.x > 1) == describe(lambda item: item.x > 2)
    False
    >>> class Opaque:
    ...     def __call__(self, item):
    ...         return item
    >>> describe(Opaque()) is None
    True
    """
    if function is None:
        return ""
    if isinstance(function, FunctionType):
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        text = repr(
            (
                function.__module__,
                function.__qualname__,
                _code(function.__code__),
                function.__defaults__,
                function.__kwdefaults__,
                cells,
            )
        )
    else:
        text = f"{type(function).__module__}.{function!r}"
    if _ADDRESS.search(text):
        return None
    return hashlib.sha256(text.encode()).hexdigest()


def _code(code: CodeType) -> tuple[Any, ...]:
    constants = [
        _code(item) if isinstance(item, CodeType) else repr(item) for item in code.co_consts
    ]
    return (code.co_code.hex(), code.co_names, constants)
