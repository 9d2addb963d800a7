"""Who does the work: this process, processes on this machine, or a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from precondbench.build.parts import process_pool
from precondbench.errors import ConfigurationError, MissingDataError

__all__ = ["open_executor"]


@contextmanager
def open_executor(jobs: int = 1, dask: str | None = None) -> Iterator[Executor | None]:
    """Open workers for ``factor_all``.

    Parameters
    ----------
    jobs : int
        Processes on this machine; 1 works in this process.
    dask : str, optional
        Address of a Dask scheduler, for example ``tcp://10.0.0.1:8786``; its workers need this
        library and access to the source.

    Yields
    ------
    concurrent.futures.Executor or None
        The workers; None for this process.

    Raises
    ------
    ConfigurationError
        If ``jobs`` is below 1, both are asked for, or dask.distributed is not installed.
    MissingDataError
        If the scheduler does not answer.
    """
    if jobs < 1 or (jobs > 1 and dask):
        raise ConfigurationError(f"jobs is {jobs}; give 1 or more, or a Dask address, not both")
    if dask:
        client = _connect(dask)
        try:
            yield client.get_executor()
        finally:
            client.close()
    elif jobs > 1:
        with process_pool(jobs) as pool:
            yield pool
    else:
        yield None


def _connect(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise ConfigurationError(
            "dask.distributed is not installed; pip install 'precondbench[dask]'"
        ) from None
    try:
        return Client(address, timeout="10s")
    except (OSError, ValueError) as error:
        raise MissingDataError(f"no Dask scheduler answers at {address}: {error}") from None
