"""Draw and label the systems of families, in parallel and resumably."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import precondbench
from precondbench._internal import remove_leftovers
from precondbench.errors import ShardError
from precondbench.matrices import Given, ParametricFamily, UniformStream
from precondbench.recipes.building.systems import label_system
from precondbench.shards import Record, ShardHeader, read_shard, write_shard

# Raise it when label_system gives other numbers: parts of older versions are then ignored.
PART_VERSION = 1


@dataclass(frozen=True)
class DrawTask:
    """Consecutive draws from a family; draw ``first + i`` has about ``rows[i]`` rows.

    A draw has the random stream ``(*entropy, number)``, so that it does not depend on how draws
    are shared out.
    """

    family: ParametricFamily
    rows: tuple[int, ...]
    first: int
    entropy: tuple[int, ...]
    prefix: str
    given: tuple[tuple[str, Given], ...]
    max_operations: float

    def run(self) -> list[Record]:
        """Draw and label the systems."""
        records = []
        for number, n in enumerate(self.rows, start=self.first):
            group = f"{self.prefix}-{number:05d}"
            stream = UniformStream(*self.entropy, number)
            systems = self.family.draw(stream, n, dict(self.given))
            for step, system in enumerate(systems):
                name = group if len(systems) == 1 else f"{group}-{step}"
                records.append(label_system(name, group, system, self.max_operations))
        return records

    @property
    def key(self) -> str:
        """Digest of whatever changes the result."""
        described = [
            PART_VERSION,
            precondbench.__version__,
            self.family.name,
            self.rows,
            self.first,
            self.entropy,
            self.prefix,
            self.given,
            self.max_operations,
        ]
        return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:16]


def part_of(task: DrawTask, folder: Path) -> Path:
    """Return where the records of a task are kept until all of its split are there."""
    return folder / f"{task.prefix}-{task.first:05d}-{task.key}.h5"


def draw_all(
    tasks: Sequence[DrawTask], folder: Path | None = None, executor: Executor | None = None
) -> Iterator[Record]:
    """Run tasks and yield their records in order.

    With a folder the records of every finished task are kept there, and those of an earlier,
    interrupted call are used.
    """
    known: dict[int, list[Record]] = {}
    if folder is not None:
        remove_leftovers(folder)
        read = ((number, _read(part_of(task, folder))) for number, task in enumerate(tasks))
        known = {number: records for number, records in read if records is not None}
    waiting = [number for number in range(len(tasks)) if number not in known]
    results: dict[int, list[Record]] = {}
    following = 0
    for number, records in chain(known.items(), _run(tasks, waiting, executor)):
        if folder is not None and number not in known:
            header = ShardHeader("part", str(PART_VERSION), "part", "part", {}, "part")
            write_shard(part_of(tasks[number], folder), header, records)
        results[number] = records
        while following in results:
            yield from results.pop(following)
            following += 1


def _run(
    tasks: Sequence[DrawTask], waiting: Sequence[int], executor: Executor | None
) -> Iterator[tuple[int, list[Record]]]:
    if executor is None:
        for number in waiting:
            yield number, tasks[number].run()
        return
    futures = {executor.submit(tasks[number].run): number for number in waiting}
    for future in as_completed(futures):
        yield futures.pop(future), future.result()


def _read(path: Path) -> list[Record] | None:
    try:
        shard = read_shard(path)
        shard.verify()
    except ShardError:
        return None
    return [shard.record(i) for i in range(len(shard))]
