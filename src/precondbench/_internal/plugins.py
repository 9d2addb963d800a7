"""Import of code that users name on the command line."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from precondbench.errors import ConfigurationError, PrecondbenchError


def import_user_code(source: str) -> ModuleType:
    """Import a module by name, or a ``.py`` file by path; this runs the code.

    Raises ConfigurationError if there is no such module or file, or running it fails.
    """
    path = Path(source)
    if path.suffix == ".py" and not path.is_file():
        raise ConfigurationError(f"there is no file {source}")
    try:
        return _run_file(path) if path.suffix == ".py" else importlib.import_module(source)
    except PrecondbenchError as error:
        raise ConfigurationError(f"{source}: {error}") from error
    except (ModuleNotFoundError, TypeError, ValueError) as error:
        if path.suffix == ".py":
            raise _failed(source, error) from error
        raise ConfigurationError(
            f"{source!r} is neither a module that can be imported nor a .py file: {error}"
        ) from error
    except (Exception, SystemExit) as error:
        raise _failed(source, error) from error


def _failed(source: str, error: BaseException) -> ConfigurationError:
    place = traceback.extract_tb(error.__traceback__)[-1]
    line = error.lineno if isinstance(error, SyntaxError) else place.lineno
    return ConfigurationError(
        f"{source} cannot be imported: {type(error).__name__}: {error} (line {line} of "
        f"{Path(place.filename).name if not isinstance(error, SyntaxError) else source}); run it "
        "with python to see more"
    )


def _run_file(path: Path) -> ModuleType:
    # The name depends only on the file: importing it again replaces the module.
    name = f"precondbench_user_{path.resolve().stem}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
