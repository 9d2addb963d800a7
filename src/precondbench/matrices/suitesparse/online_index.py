"""The collection's index over the network, through ssgetpy.

Importing ssgetpy reads HOME, makes a folder there and downloads an index. It is loaded here
with a configuration of our own, so that neither happens outside our cache, and only when a
URL is asked for.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from precondbench._internal import SILENCE, Deadline
from precondbench.errors import MissingDataError

SECONDS = 300.0  # for an index of half a megabyte


def _load_ssgetpy(url: str, cache: Path) -> Any:
    config: Any = types.ModuleType("ssgetpy.config")
    config.SS_DIR = str(cache)
    config.SS_DB = str(cache / "index.db")
    config.SS_TABLE = "MATRICES"
    config.SS_ROOT_URL = url
    config.SS_INDEX_URL = f"{url}/files/ssstats.csv"
    for name in [name for name in sys.modules if name.partition(".")[0] == "ssgetpy"]:
        del sys.modules[name]
    sys.modules["ssgetpy.config"] = config
    try:
        return importlib.import_module("ssgetpy")
    except Exception:
        sys.modules.pop("ssgetpy.config", None)
        raise


@contextmanager
def _impatient_requests() -> Iterator[None]:
    """Give requests a limit of silence and of time: ssgetpy asks without any."""
    import requests

    patient = requests.Session.request
    with Deadline(SECONDS) as deadline:

        def request(session: Any, method: Any, url: Any, **options: Any) -> Any:
            options |= {"timeout": SILENCE, "stream": True, "hooks": {"response": deadline.watch}}
            response = patient(session, method, url, **options)
            response.raise_for_status()
            response.content  # noqa: B018  # read within the limit, and kept by the response
            return response

        requests.Session.request = request  # type: ignore[assignment,method-assign]
        try:
            yield
        finally:
            requests.Session.request = patient  # type: ignore[method-assign]


def search_positive_definite(url: str, cache: Path) -> list[Any]:
    """Return every matrix that the index at ``url`` marks positive definite.

    Parameters
    ----------
    url : str
        Root of the collection or of a mirror, without a trailing slash.
    cache : pathlib.Path
        Folder for ssgetpy's database.

    Returns
    -------
    list of ssgetpy.matrix.Matrix
        Matrices of any size and type.

    Raises
    ------
    MissingDataError
        If the index cannot be fetched or is not an index.
    """
    try:
        with _impatient_requests():
            found: list[Any] = list(_load_ssgetpy(url, cache).search(isspd=True, limit=1_000_000))
    except Exception as error:  # ssgetpy checks no status: a bad reply fails anywhere in it
        (cache / "index.db").unlink(missing_ok=True)
        raise MissingDataError(
            f"the index of {url} could not be fetched: {type(error).__name__}: {error}; check the "
            "URL and the network, or name a local mirror"
        ) from None
    if not found:
        (cache / "index.db").unlink(missing_ok=True)
        raise MissingDataError(
            f"{url}/files/ssstats.csv lists no positive definite matrix; is it the collection?"
        )
    return found
