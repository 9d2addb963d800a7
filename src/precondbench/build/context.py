"""What a build needs from outside its recipe."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from precondbench.errors import MissingDataError
from precondbench.matrices.collection import SOURCE_VARIABLE
from precondbench.network import offline
from precondbench.shards.cache import cache_root

__all__ = ["COLLECTION_URL", "BuildContext"]

COLLECTION_URL = "https://sparse.tamu.edu"


@dataclass(frozen=True)
class BuildContext:
    """Where matrices come from, where finished parts go, and who does the work.

    Attributes
    ----------
    source : str or None
        Mirror of the collection, folder or URL; None: ``PRECONDBENCH_SUITESPARSE``, else the
        collection's own site unless the network is forbidden.
    root : pathlib.Path or None
        Cache folder; None: the default.
    executor : concurrent.futures.Executor or None
        Workers; None: this process.
    progress : callable or None
        Called as ``progress(done, total, name)``.
    """

    source: str | None = None
    root: Path | None = None
    executor: Executor | None = None
    progress: Callable[[int, int, str], None] | None = None

    @property
    def folder(self) -> Path:
        """Cache folder."""
        return cache_root(self.root)

    def collection_source(self) -> str:
        """Return the mirror to read real matrices from.

        Raises
        ------
        MissingDataError
            If none is named and the network is forbidden.
        """
        source = self.source or os.environ.get(SOURCE_VARIABLE)
        if source:
            return source
        if offline():
            raise MissingDataError(
                "this data is built from matrices of the SuiteSparse collection, and "
                f"PRECONDBENCH_OFFLINE forbids the network; set {SOURCE_VARIABLE} to a mirror "
                "(folder or URL), or use version 'sample', which needs no download"
            )
        return COLLECTION_URL
