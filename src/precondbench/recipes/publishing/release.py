"""Write a folder that any static host can serve, and that `PRECONDBENCH_MIRROR` can name."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from precondbench._internal import replacing
from precondbench.errors import ConfigurationError, DigestError, ManifestError, ShardError
from precondbench.recipes.building.obtain import obtain_shard
from precondbench.recipes.publishing.citations import attributions, bibtex
from precondbench.recipes.publishing.metadata import card_text, croissant_faults, croissant_metadata
from precondbench.recipes.publishing.released import ReleasedSplit, released_split
from precondbench.recipes.spec import SplitPlan
from precondbench.shards import (
    MANIFEST_NAME,
    Manifest,
    ShardFile,
    file_sha256,
    load_manifest,
    manifest_text,
    read_shard,
    shard_path,
)

CHECKSUMS_NAME = "SHA256SUMS"

# (splits done, splits in all, name of the next)
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Release:
    """What was written.

    Attributes
    ----------
    folder : pathlib.Path
        The folder.
    splits : tuple of ReleasedSplit
        The data in it.
    files : tuple of str
        Every file, by its path in the folder.
    croissant_checked : bool
        False if mlcroissant is not installed, so that nobody checked croissant.json.
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

    Shards are taken from the cache, the mirrors or a local build, and each is verified record
    by record. The manifest is written after all that it names and the checksums last, so an
    interrupted release is no mirror yet; running it again completes it.

    Parameters
    ----------
    folder : path-like
        Folder to write; created if need be.
    plans : iterable of SplitPlan
        Splits to publish (:func:`precondbench.recipes.select_plans`).
    base_url : str, optional
        Where the folder will be found: an http(s) address, or ``doi:`` and a DOI. It becomes
        the manifest's first mirror; without one the release names no address.
    flat : bool
        Put all files into one folder, with ``--`` in the place of ``/``, for hosts without
        folders (GitHub releases, Zenodo).
    date : str, optional
        Day of publication, ``YYYY-MM-DD``.
    root : path-like, optional
        Cache folder; by default ``PRECONDBENCH_CACHE``, else the platform's.
    progress : callable, optional
        Called as ``progress(done, total, name)`` before each split and at the end.

    Returns
    -------
    Release
        What was written.

    Raises
    ------
    ConfigurationError
        If there is nothing to publish, an argument cannot be used, or the folder holds a file of
        the release with other content: published files never change. Nothing is written then.
    ManifestError
        If the licence of a source matrix is not known.

    Examples
    --------
    >>> import os, tempfile
    >>> from precondbench.recipes import select_plans
    >>> from precondbench.recipes import write_release
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
        raise ConfigurationError(f"{date!r} is no date; write YYYY-MM-DD")


def _prepare(
    plan: SplitPlan, manifest: Manifest, folder: Path, flat: bool, root: str | Path | None
) -> ReleasedSplit:
    """Find a split's shard and check all of it."""
    names = (plan.dataset, plan.version, plan.configuration, plan.split)
    digest = manifest.split(*names).content_digest
    path = shard_path(Path(), *names, digest).as_posix()
    path = path.replace("/", "--") if flat else path
    # What is published already stays, even if a build here has other bytes for the same content.
    published = (folder / path).is_file()
    source = folder / path if published else obtain_shard(*names, root)
    try:
        shard = read_shard(source)
        shard.verify()
        if shard.content_digest != digest:
            raise DigestError(f"{source} has content digest {shard.content_digest}, not {digest}")
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
