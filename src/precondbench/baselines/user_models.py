"""Models of one's own, imported by name so that the registry knows them."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

from precondbench.errors import ConfigurationError

__all__ = ["import_models"]


def import_models(source: str) -> None:
    """Import a module, or run a Python file, that registers models or losses.

    Parameters
    ----------
    source : str
        Name of an importable module, or path of a ``.py`` file. The code is run: trust it.

    Raises
    ------
    ConfigurationError
        If there is no such file or module.
    """
    path = Path(source)
    if path.suffix != ".py":
        try:
            importlib.import_module(source)
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"{source!r} is neither a module that can be imported nor a .py file: {error}"
            ) from error
        return
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
