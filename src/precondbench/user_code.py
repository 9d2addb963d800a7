"""Code of one's own, from a module or a file, run because its owner asks for it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from precondbench.errors import ConfigurationError

__all__ = ["import_user_code"]


def import_user_code(source: str) -> ModuleType:
    """Import a module, or run a Python file as one.

    Parameters
    ----------
    source : str
        Name of an importable module, or path of a ``.py`` file. The code is run: trust it.

    Returns
    -------
    module
        The module.

    Raises
    ------
    ConfigurationError
        If there is no such file or module.
    """
    path = Path(source)
    if path.suffix != ".py":
        try:
            return importlib.import_module(source)
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"{source!r} is neither a module that can be imported nor a .py file: {error}"
            ) from error
    if not path.is_file():
        raise ConfigurationError(f"there is no file {source}")
    # One name a file, so that a second import of it is the same module.
    name = f"precondbench_user_{path.resolve().stem}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
