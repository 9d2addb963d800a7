"""What the manifest implies of a file: how large it can be, and every digest in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from precondbench.errors import DigestError
from precondbench.shards.file import read_shard
from precondbench.shards.shard import Shard

if TYPE_CHECKING:
    from precondbench.shards.store.manifest import Manifest

Names = tuple[str, str, str, str]

# Each several times what a file takes, uncompressed.
_FILE_BYTES = 1 << 20
_RECORD_BYTES = 4096  # names, digests and facts
_ENTRY_BYTES = 128  # index and values of A and of all labels, pointers
# Entries of a tridiagonal lower triangle for each row.
_TRIDIAGONAL = 2
# A level of fill-in has multiplied the entries of no split by more than 3.
_FILL = 8
# Of a split whose recipe does not tell.
_UNKNOWN = 1 << 30


def largest_file(manifest: Manifest, names: Names) -> int:
    """Bound of the bytes of a file that holds a split, and of the arrays in it.

    It follows from the number of records and from the recipe: rows of generated matrices and of
    families, entries of real ones (their list ``sources``). Whoever claims more has another file.
    """
    dataset, version, configuration, split = names
    entry = manifest.split(*names)
    recipe = manifest.datasets[dataset][version].configurations[configuration].recipe
    splits = recipe.get("splits")
    own = splits.get(split) if isinstance(splits, dict) else None
    entries = _entries(manifest, own if isinstance(own, dict) else {})
    if entries is None:
        return _UNKNOWN
    return _FILE_BYTES + _RECORD_BYTES * entry.records + _ENTRY_BYTES * entries


def _entries(manifest: Manifest, recipe: dict[str, Any]) -> int | None:
    """Bound of the stored entries of all lower triangles, if the recipe tells."""
    n, count, matrices = recipe.get("n"), recipe.get("count"), recipe.get("matrices")
    kind = recipe.get("kind")
    if kind in {"tridiagonal", "tridiagonal-lu"} and isinstance(n, int) and isinstance(count, int):
        return _TRIDIAGONAL * n * count
    if kind == "parametric":
        return _drawn_entries(recipe)
    if kind not in {"collection", "formulas"} or not isinstance(matrices, list):
        return None
    known = {f"{source.group}/{source.name}": source for source in manifest.sources}
    level = str(recipe.get("pattern", "level-0")).removeprefix("level-")
    entries = 0
    for name in matrices:
        source = known.get(str(name))
        if source is None or source.n is None or source.nnz is None or not level.isdecimal():
            return None
        n = source.n
        entries += min((source.nnz + n) // 2 * _FILL ** int(level[:2]), n * (n + 1) // 2)
    return entries


def _drawn_entries(recipe: dict[str, Any]) -> int | None:
    """Bound of the entries of draws from a family; rows are about those of the recipe."""
    draws, systems, entries, rows = (
        recipe.get(key) for key in ("draws", "systems_per_draw", "entries_a_row", "rows")
    )
    if not (isinstance(draws, int) and isinstance(systems, int) and isinstance(entries, int)):
        return None
    if not isinstance(rows, list) or not all(isinstance(n, int) for n in rows):
        return None
    return draws * systems * entries * sum(rows) // len(rows)


def read_published(path: Path, manifest: Manifest, names: Names) -> Shard:
    """Read the file of a split and compare all of it with the manifest.

    Checked are the names, the digest of every record (name, pattern, A, labels), the content digest
    and the digest of the facts, which leaves out groups and floating-point facts.

    Raises
    ------
    ShardError
        If the file cannot be read, or is of a newer format.
    DigestError
        If its content is not what the manifest says; the message names the first record that
        differs from the digest beside it.
    """
    entry = manifest.split(*names)
    shard = read_shard(path, largest=largest_file(manifest, names))
    header = shard.header
    found = (header.dataset, header.version, header.configuration, header.split)
    if found != names:
        raise DigestError(f"{path} says that it is {'/'.join(found)}, not {'/'.join(names)}")
    if (shard.content_digest, len(shard)) != (entry.content_digest, entry.records):
        raise DigestError(
            f"{path} has content digest {shard.content_digest} and {len(shard)} records, not "
            f"{entry.content_digest} and {entry.records}"
        )
    shard.verify()
    if entry.facts_digest is not None and shard.facts_digest() != entry.facts_digest:
        raise DigestError(
            f"{path}: its records are right, but what it says about them (iterations, winners) is "
            "not what the manifest expects"
        )
    return shard
