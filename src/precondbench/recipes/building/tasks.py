"""Factor many matrices in parallel and resumably: a finished matrix is never done again."""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import precondbench
from precondbench._internal import loads, remove_leftovers, replacing
from precondbench.errors import (
    ConfigurationError,
    CostError,
    MissingDataError,
    PrecondbenchError,
    ShardError,
)
from precondbench.factors import DEFAULT_PATTERN
from precondbench.matrices import Collection, CollectionEntry, formula_matrix
from precondbench.recipes.building.four import label_in_order
from precondbench.recipes.building.label import (
    LARGE,
    MAX_OPERATIONS,
    FactoredMatrix,
    factor_large,
    factor_matrix,
)
from precondbench.recipes.spec import BuildContext
from precondbench.shards import ShardHeader, read_shard, record_digest, write_shard

# Raise it when factor_matrix gives other numbers: parts of older versions are then ignored.
PART_VERSION = 1

_LOG = logging.getLogger(__name__)

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Task:
    """One matrix to factor: from a mirror (``source``), or from its formula if that is None.

    ``download_cache`` is a folder for what a URL downloads. ``pattern`` is that of the labels, or
    ``large`` for tril(A) by the method that ``invk`` chooses. ``four`` asks for the labels of
    version 2.0.
    """

    entry: CollectionEntry
    source: str | None = None
    download_cache: str | None = None
    max_operations: float = MAX_OPERATIONS
    pattern: str = DEFAULT_PATTERN
    four: bool = False

    def run(self) -> FactoredMatrix:
        """Read and factor the matrix; every failure of the library is an outcome."""
        name = self.entry.full_name
        try:
            if self.source is None:
                matrix = formula_matrix(name)
            else:
                cache = Path(self.download_cache) if self.download_cache else None
                matrix = Collection(self.source, cache).matrix(self.entry)
        except MissingDataError as error:
            return FactoredMatrix(name, "not in the mirror", str(error))
        except PrecondbenchError as error:
            return FactoredMatrix(name, "unreadable", str(error))
        if self.pattern == LARGE:
            return factor_large(name, matrix, self.entry.kind)
        if self.four:
            kind, most = self.entry.kind, self.max_operations
            return label_in_order(name, matrix, kind, self.pattern, most)
        return factor_matrix(
            name,
            matrix,
            self.entry.kind,
            pattern_name=self.pattern,
            protocol=1,
            max_operations=self.max_operations,
            announce=lambda text: _LOG.info("large matrix %s", text),
        )

    @property
    def key(self) -> str:
        """Name of the part: changes with whatever changes the result."""
        described = [PART_VERSION, self.entry.full_name, self.source, self.max_operations]
        described += [self.pattern, *(["four"] if self.four else [])]
        return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:16]


def tasks_for(
    entries: Sequence[CollectionEntry],
    context: BuildContext,
    max_operations: float = MAX_OPERATIONS,
    pattern: str = DEFAULT_PATTERN,
    four: bool = False,
) -> list[Task]:
    """One task a matrix, from the source of the context."""
    source = context.collection_source()
    downloads = str(context.folder / "collection")
    return [Task(entry, source, downloads, max_operations, pattern, four) for entry in entries]


class PartStore:
    """Finished matrices in a folder, which may be deleted at any time.

    ``<name>-<key>.h5`` holds the record, ``<name>-<key>.json`` outcome, facts and digest. The JSON
    is written last and contains the digest of the record, so a part is complete or absent, whenever
    the process dies.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        remove_leftovers(folder)

    def _stem(self, task: Task) -> Path:
        return self.folder / f"{task.entry.group}__{task.entry.name}-{task.key}"

    def load(self, task: Task) -> FactoredMatrix | None:
        """Return a finished part, or None."""
        stem = self._stem(task)
        try:
            notes = loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
            record = None
            if notes["record_digest"]:
                record = read_shard(stem.with_suffix(".h5")).record(0)
                if record_digest(record) != notes["record_digest"]:
                    return None
            facts = {
                key: float("nan") if value is None else value
                for key, value in notes["facts"].items()
            }
            return FactoredMatrix(
                task.entry.full_name,
                notes["outcome"],
                notes["detail"],
                notes["matrix_digest"],
                record,
                facts,
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ShardError):
            return None

    def save(self, task: Task, result: FactoredMatrix) -> None:
        """Keep a part."""
        stem = self._stem(task)
        digest = ""
        if result.record is not None:
            header = ShardHeader(
                "part", str(PART_VERSION), task.pattern, "part", {}, precondbench.__version__
            )
            write_shard(stem.with_suffix(".h5"), header, [result.record])
            digest = record_digest(result.record)
        notes = {
            "outcome": result.outcome,
            "detail": result.detail,
            "matrix_digest": result.matrix_digest,
            "record_digest": digest,
            "facts": {k: None if v != v else v for k, v in result.facts.items()},
        }
        with replacing(stem.with_suffix(".json")) as temporary:
            temporary.write_text(json.dumps(notes), encoding="utf-8")


def _run(task: Task) -> FactoredMatrix:
    return task.run()


def _start_worker(parent: int, level: int) -> None:
    """Log as the parent does, and end with it: a killed build leaves no process behind."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("precondbench").setLevel(level)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def process_pool(jobs: int) -> Iterator[Executor]:
    """Worker processes that start clean and die with this one.

    Parameters
    ----------
    jobs : int
        How many.
    """
    # Fork is not safe once threads run (numba, HDF5); spawn works everywhere.
    context = multiprocessing.get_context("spawn")
    arguments = (os.getpid(), logging.getLogger("precondbench").getEffectiveLevel())
    try:
        with ProcessPoolExecutor(jobs, context, _start_worker, arguments) as pool:
            yield pool
    except BrokenExecutor as error:
        raise CostError(
            f"a worker process died ({error}), most often for lack of memory; start again, with "
            "fewer --jobs: what is finished is kept"
        ) from None


def factor_all(
    tasks: Sequence[Task],
    store: PartStore | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> list[FactoredMatrix]:
    """Factor every matrix; results are in the order of the tasks, however they were made.

    Finished parts are taken from the store and kept in it. ``executor`` is a process pool or
    ``dask.distributed.Client(...).get_executor()``, by default this process. Results are sent back
    pickled, so workers need access to the source, not to the store.
    """
    results: dict[int, FactoredMatrix] = {}
    total = len(tasks)

    def finished(index: int, result: FactoredMatrix, fresh: bool) -> None:
        # What a mirror lacks, or holds damaged, may be there and whole the next time.
        passing = result.outcome in {"not in the mirror", "unreadable"}
        if fresh and store is not None and not passing:
            store.save(tasks[index], result)
        results[index] = result
        if progress is not None:
            progress(len(results), total, result.name)

    waiting: list[int] = []
    for index, task in enumerate(tasks):
        known = store.load(task) if store is not None else None
        if known is None:
            waiting.append(index)
        else:
            finished(index, known, fresh=False)
    # Large matrices first, so that no worker starts the largest when the others are done.
    waiting.sort(key=lambda index: -tasks[index].entry.nnz)
    for index, result in _results(tasks, waiting, executor):
        finished(index, result, fresh=True)
    return [results[index] for index in range(total)]


def _results(
    tasks: Sequence[Task], waiting: Iterable[int], executor: Executor | None
) -> Iterator[tuple[int, FactoredMatrix]]:
    if executor is None:
        for index in waiting:
            yield index, tasks[index].run()
        return
    futures: dict[Future[Any], int] = {
        executor.submit(_run, tasks[index]): index for index in waiting
    }
    for future in as_completed(futures):
        yield futures.pop(future), future.result()


@contextmanager
def open_executor(jobs: int = 1, dask: str | None = None) -> Iterator[Executor | None]:
    """Open workers for ``factor_all``: processes here, or those of a Dask scheduler at an address.

    Yields None for this process alone. ConfigurationError if ``jobs`` is below 1, both are asked
    for, or dask.distributed is not installed; MissingDataError if the scheduler does not answer.
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
