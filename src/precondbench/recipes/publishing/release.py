"""Releases: folders that any static host can serve, and that ``PRECONDBENCH_MIRROR`` can name.

Beside each shard lies an index of its records that needs no HDF5 reader.
"""

from __future__ import annotations

import csv
import datetime
import hashlib
import io
import json
import math
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from precondbench._internal import replacing
from precondbench.errors import ConfigurationError, DigestError, ManifestError, ShardError
from precondbench.recipes.building.obtain import obtain_shard
from precondbench.recipes.publishing.citations import attributions, bibtex
from precondbench.recipes.publishing.metadata import (
    Column,
    card_text,
    croissant_faults,
    croissant_metadata,
)
from precondbench.recipes.spec import SplitPlan
from precondbench.shards import (
    MANIFEST_NAME,
    Manifest,
    Shard,
    ShardFile,
    file_sha256,
    load_manifest,
    manifest_text,
    published_path,
    read_published,
)

CHECKSUMS_NAME = "SHA256SUMS"

# (splits done, splits in all, name of the next)
Progress = Callable[[int, int, str], None]


_MEANINGS = {
    "attempts": "Draws until one was accepted.",
    "breakdown_column": "Column (from zero) at which IC(0) broke down, -1 if it did not.",
    "condition_scaled": "Condition number of the scaled matrix.",
    "kind": "Problem domain, in the words of the collection.",
    "winner": "Which factor needs fewer iterations by a margin of 5 %.",
}
_PREFIXES = {
    "iterations_": "PCG iterations with {}, -1 if it did not converge.",
    "status_": "How PCG ended with {}.",
    "n_log_k_": "n log K of {}.",
}


@dataclass(frozen=True)
class ReleasedSplit:
    """What cards and metadata need to know about a split.

    ``shard`` and ``index`` are its two files by path in the release, ``source`` is the file that is
    copied. ``sources`` names the real matrices in it, ``entries`` counts the stored entries of all
    lower triangles, ``smallest`` and ``largest`` are numbers of rows.
    """

    plan: SplitPlan
    content_digest: str
    shard: ShardFile
    index: ShardFile
    source: Path
    index_text: str
    columns: tuple[Column, ...]
    sources: tuple[str, ...]
    labels: tuple[str, ...]
    smallest: int
    largest: int
    entries: int


@dataclass(frozen=True)
class Release:
    """What was written: the folder, the data in it, and every file by its path in the folder.

    ``croissant_checked`` is False if mlcroissant, which validates croissant.json, is not installed.
    """

    folder: Path
    splits: tuple[ReleasedSplit, ...]
    files: tuple[str, ...]
    croissant_checked: bool


def write_release(
    folder: str | Path,
    plans: Iterable[SplitPlan],
    *,
    base_url: str | None = None,
    flat: bool = False,
    date: str | None = None,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> Release:
    """Publish splits into a folder.

    Shards are taken from the cache, the mirrors or a local build, and each is verified record by
    record. The manifest is written after all that it names and the checksums last, so an
    interrupted release is no mirror yet; running it again completes it. ``base_url`` (http(s) or
    ``doi:``) becomes the first mirror of the manifest; ``flat`` puts ``--`` in place of ``/`` in
    file names, for hosts without folders. ConfigurationError if there is nothing to publish, an
    argument cannot be used, or the folder holds a file of the release with other content: published
    files never change.

    >>> import tempfile
    >>> from precondbench.recipes import select_plans
    >>> plans = select_plans("suitesparse-invk", "sample", "tril", "val")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in write_release(folder, plans).files:
    ...         print(name)
    CITATION.bib
    DATASET_CARD.md
    README.md
    SHA256SUMS
    croissant.json
    data_manifest.json
    suitesparse-invk/sample/tril/val-5b71ef697b403d80.csv
    suitesparse-invk/sample/tril/val-5b71ef697b403d80.h5
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ConfigurationError(f"{folder} is a file; name a folder to write the release into")
    plans = list(plans)
    if not plans:
        raise ConfigurationError("no split is selected; name a dataset that has splits")
    url = _checked_url(base_url)
    _check_date(date)
    manifest = load_manifest()
    splits = []
    for done, plan in enumerate(plans):
        if progress is not None:
            progress(done, len(plans), plan.path_name)
        splits.append(_prepare(plan, manifest, folder, flat, root))
    texts, checked = _texts(splits, manifest, url, date)
    _refuse_other_content(folder, texts)
    for split in splits:
        _copy(split, folder)
    for name, text in texts.items():
        if not (folder / name).is_file():
            with replacing(folder / name) as temporary:
                temporary.write_bytes(text)
    if progress is not None:
        progress(len(plans), len(plans), "")
    names = sorted([*texts, *(split.shard.path for split in splits)])
    return Release(folder, tuple(splits), tuple(names), checked)


def _checked_url(base_url: str | None) -> str | None:
    if base_url is None:
        return None
    url = base_url.rstrip("/")
    if re.fullmatch(r"(https?://[^\s\"'<>\\]+|doi:10\.[^\s\"'<>\\]+)", url) is None:
        raise ConfigurationError(
            f"{base_url!r} is no address to publish at; give http(s)://... or doi:10...."
        )
    return url


def _check_date(date: str | None) -> None:
    try:
        if date is not None and datetime.date.fromisoformat(date).isoformat() == date:
            return
    except ValueError:
        pass
    if date is not None:
        raise ConfigurationError(f"{date!r} is not a date; write YYYY-MM-DD")


def _prepare(
    plan: SplitPlan, manifest: Manifest, folder: Path, flat: bool, root: str | Path | None
) -> ReleasedSplit:
    """Find a split's shard and check all of it."""
    digest = manifest.split(*plan.names).content_digest
    path = published_path(*plan.names, digest)
    path = path.replace("/", "--") if flat else path
    # What is published already stays, even if a build here has other bytes for the same content.
    published = (folder / path).is_file()
    source = folder / path if published else obtain_shard(*plan.names, root)
    try:
        shard = read_published(source, manifest, plan.names)
    except ShardError as error:
        if published:
            raise ConfigurationError(
                f"{folder / path} is there with other content ({error}); published files never "
                "change: release into a new folder"
            ) from None
        raise
    return released_split(plan, shard, path)


def _texts(
    splits: Sequence[ReleasedSplit], manifest: Manifest, url: str | None, date: str | None
) -> tuple[dict[str, bytes], bool]:
    """Every file but the shards, in the order in which they are to be written."""
    released = _released_manifest(manifest, splits, url)
    sources = attributions((name for split in splits for name in split.sources), manifest)
    versions = sorted({(split.plan.dataset, split.plan.version) for split in splits})
    entries = [manifest.datasets[dataset][version] for dataset, version in versions]
    citation = bibtex(manifest, versions, sources, url, date)
    manifest_bytes = manifest_text(released).encode()
    croissant = croissant_metadata(
        splits,
        description=" ".join(dict.fromkeys(f"{entry.description}." for entry in entries)),
        licences=sorted({entry.licence for entry in entries}),
        citation=citation,
        manifest=ShardFile(
            path=MANIFEST_NAME,
            bytes=len(manifest_bytes),
            sha256=hashlib.sha256(manifest_bytes).hexdigest(),
        ),
        url=url if _is_http(url) else None,
        date=date,
    )
    faults = croissant_faults(croissant)
    if faults:
        raise ManifestError(
            f"croissant.json would not be valid: {'; '.join(faults)}; report this, and which "
            "version of mlcroissant is installed"
        )
    texts = {split.index.path: split.index_text.encode() for split in splits}
    texts |= {
        name: card_text(name, splits, manifest, sources, url, date).encode()
        for name in ("README.md", "DATASET_CARD.md")
    }
    texts["CITATION.bib"] = citation.encode()
    texts["croissant.json"] = (json.dumps(croissant, indent=1, ensure_ascii=False) + "\n").encode()
    texts[MANIFEST_NAME] = manifest_bytes
    sums = {name: hashlib.sha256(text).hexdigest() for name, text in texts.items()}
    sums |= {split.shard.path: split.shard.sha256 for split in splits}
    lines = [f"{sums[name]}  {name}\n" for name in sorted(sums)]
    texts[CHECKSUMS_NAME] = "".join(lines).encode()
    return texts, faults is not None


def _is_http(url: str | None) -> bool:
    return url is not None and url.startswith("http")


def _released_manifest(
    manifest: Manifest, splits: Sequence[ReleasedSplit], url: str | None
) -> Manifest:
    """Fill the manifest's files in; everything else in it stays, so it can replace the old one."""
    data: dict[str, Any] = manifest.model_dump(mode="json")
    if url is not None:
        data["mirrors"] = list(dict.fromkeys([url, *data["mirrors"]]))
    for split in splits:
        plan = split.plan
        configuration = data["datasets"][plan.dataset][plan.version]["configurations"]
        entry = configuration[plan.configuration]["splits"][plan.split]
        entry["shards"] = [split.shard.model_dump(mode="json")]
    return Manifest.model_validate(data)


def _refuse_other_content(folder: Path, texts: dict[str, bytes]) -> None:
    other = [
        name
        for name, text in texts.items()
        if (folder / name).exists()
        and not ((folder / name).is_file() and (folder / name).read_bytes() == text)
    ]
    if other:
        raise ConfigurationError(
            f"{folder} holds {', '.join(sorted(other))} with other content; published files "
            "never change: release into a new folder"
        )


def _copy(split: ReleasedSplit, folder: Path) -> None:
    target = folder / split.shard.path
    if target.is_file():
        return
    with replacing(target) as temporary:
        shutil.copyfile(split.source, temporary)
        if file_sha256(temporary) != split.shard.sha256:
            raise DigestError(f"{split.source} changed while it was copied; run the release again")


def released_split(plan: SplitPlan, shard: Shard, path: str) -> ReleasedSplit:
    """Describe a split whose shard gets a path in a release; the index lies beside it."""
    columns, text = record_index(shard)
    content = text.encode()
    return ReleasedSplit(
        plan=plan,
        content_digest=shard.content_digest,
        shard=ShardFile(path=path, bytes=shard.path.stat().st_size, sha256=file_sha256(shard.path)),
        index=ShardFile(
            path=path.removesuffix(".h5") + ".csv",
            bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        ),
        source=shard.path,
        index_text=text,
        columns=columns,
        sources=tuple(
            name
            for name, group in zip(shard.names, shard.groups, strict=True)
            if group != "synthetic"
        ),
        labels=tuple(shard.factor_labels),
        smallest=int(shard.n.min()),
        largest=int(shard.n.max()),
        entries=int(shard.nnz_offsets[-1]),
    )


def record_index(shard: Shard) -> tuple[tuple[Column, ...], str]:
    """Table of the records of a shard as CSV: names, sizes, digests, labels and facts.

    Numbers are written so that reading gives the same bits; one that does not exist is empty.
    """
    table: list[tuple[Column, list[str]]] = [
        (Column("name", "text", "Name, unique in the split."), shard.names),
        (Column("group", "text", "Where the matrix comes from."), shard.groups),
        (Column("n", "integer", "Rows."), _column(shard.n)),
        (
            Column("nnz", "integer", "Stored entries of the lower triangle."),
            _column(np.diff(shard.nnz_offsets)),
        ),
        (Column("digest", "text", "Record digest of the shard format."), shard.record_digests),
    ]
    for label in shard.factor_labels:
        meaning = f"Whether the record has the factor l_{label}."
        values = ["true" if present else "false" for present in shard.has_label[label]]
        table.append((Column(f"has_l_{label}", "boolean", meaning), values))
    for fact in sorted(shard.facts):
        column = shard.facts[fact]
        kind = (
            "text"
            if isinstance(column, list)
            else ("integer" if column.dtype == np.int64 else "float")
        )
        table.append((Column(fact, kind, _meaning(fact)), _column(column)))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column, _ in table])
    writer.writerows(zip(*(values for _, values in table), strict=True))
    return tuple(column for column, _ in table), text.getvalue()


def _meaning(fact: str) -> str:
    for prefix, text in _PREFIXES.items():
        if fact.startswith(prefix):
            return text.format(fact.removeprefix(prefix))
    return _MEANINGS.get(fact, f"Fact {fact!r} of the record.")


def _column(values: Any) -> list[str]:
    items = values if isinstance(values, list) else values.tolist()
    return ["" if isinstance(item, float) and math.isnan(item) else str(item) for item in items]
