"""Code of one's own, from a module or a file, run because its owner asks for it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from precondbench.errors import ConfigurationError, PrecondbenchError

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
        If there is no such file or module, or its code fails while it is imported.
    """
    path = Path(source)
    if path.suffix != ".py":
        try:
            return importlib.import_module(source)
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"{source!r} is neither a module that can be imported nor a .py file: {error}"
            ) from error
        except (Exception, SystemExit) as error:
            raise _failed(source, error) from error
    if not path.is_file():
        raise ConfigurationError(f"there is no file {source}")
    # One name a file, so that a second import of it is the same module.
    name = f"precondbench_user_{path.resolve().stem}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        # A second import is to try again.
        del sys.modules[name]
        raise _failed(source, error) from error
    return module


def _failed(source: str, error: BaseException) -> ConfigurationError:
    """Say what went wrong in the code, and in which line of it."""
    if isinstance(error, PrecondbenchError):
        return ConfigurationError(f"{source}: {error}")
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "importlib" not in frame.filename]
    line = error.lineno if isinstance(error, SyntaxError) else own[-1].lineno if len(own) > 1 else 0
    where = f", line {line}" if line else ""
    return ConfigurationError(
        f"{source} fails while it is imported{where}: {type(error).__name__}: {error}"
    )
