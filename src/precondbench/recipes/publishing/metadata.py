"""README.md and DATASET_CARD.md of a release, and its Croissant metadata."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jinja2

import precondbench
from precondbench.recipes.publishing.citations import Attribution
from precondbench.recipes.registry import dataset_spec
from precondbench.shards import Manifest, ShardFile

if TYPE_CHECKING:
    from precondbench.recipes.publishing.release import ReleasedSplit

_TAGS = (
    "preconditioner",
    "sparse-matrix",
    "incomplete-cholesky",
    "numerical-linear-algebra",
    "graph-neural-network",
    "conjugate-gradient",
)
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("precondbench.recipes.publishing"),
    # Markdown is not HTML; text from elsewhere passes the filter "cell".
    autoescape=False,  # noqa: S701
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def card_text(
    template: str,
    splits: Sequence[ReleasedSplit],
    manifest: Manifest,
    sources: Sequence[Attribution],
    url: str | None,
    date: str | None,
) -> str:
    """Render ``README.md`` or ``DATASET_CARD.md`` as Markdown."""
    versions = dict.fromkeys((split.plan.dataset, split.plan.version) for split in splits)
    datasets: list[dict[str, Any]] = [
        {"dataset": dataset, "version": version, "entry": manifest.datasets[dataset][version]}
        for dataset, version in versions
    ]
    licences = sorted({found["entry"].licence for found in datasets})
    return _TEMPLATES.get_template(f"{template}.j2").render(
        library=precondbench.__version__,
        url=url,
        date=date,
        splits=splits,
        datasets=datasets,
        licences=licences,
        sources=sources,
        configs=_configs(splits),
        size=_size(sum(split.plan.count for split in splits)),
        tags=_TAGS,
    )


def _configs(splits: Sequence[ReleasedSplit]) -> list[dict[str, Any]]:
    """Tables that a hub's viewer can show: the records of each configuration, by split."""
    configs: dict[str, list[dict[str, str]]] = {}
    for split in splits:
        plan = split.plan
        name = f"{plan.dataset}-{plan.version}-{plan.configuration}"
        configs.setdefault(name, []).append({"split": plan.split, "path": split.index.path})
    return [{"name": name, "files": files} for name, files in configs.items()]


def _size(records: int) -> str:
    return next((text for limit, text in _SIZES if records < limit), "n>100K")


def _cell(text: object) -> str:
    """Text for a cell of a Markdown table."""
    return "".join(f"\\{sign}" if sign in "\\|*_`<>[]" else sign for sign in str(text))


def _listed(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))


_TEMPLATES.filters["cell"] = _cell
_TEMPLATES.filters["listed"] = _listed
# A JSON text is a YAML text.
_TEMPLATES.filters["yaml"] = json.dumps


# The context that Croissant 1.0 prescribes: these are names, not links.
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
} | {
    name: f"cr:{name}"
    for name in (
        "citeAs", "column", "equivalentProperty", "extract", "field", "fileObject", "fileProperty",
        "fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField",
        "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate",
        "separator", "source", "subField", "transform",
    )
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One column of a record index: heading, kind (text, integer, float, boolean), meaning."""

    name: str
    kind: str
    meaning: str


_TYPES = {
    "text": "sc:Text",
    "integer": "sc:Integer",
    "float": "sc:Float",
    "boolean": "sc:Boolean",
}
_SPLIT_COLUMNS = (
    Column("path", "text", "Path of the shard in this release."),
    Column("dataset", "text", "Dataset."),
    Column("version", "text", "Version of the dataset."),
    Column("configuration", "text", "Configuration of the dataset."),
    Column("split", "text", "Split of the configuration."),
    Column("records", "integer", "Number of pairs (A, L)."),
    Column("content_digest", "text", "Digest of the content, independent of the file's bytes."),
)


def croissant_metadata(
    splits: Sequence[ReleasedSplit],
    *,
    description: str,
    licences: Iterable[str],
    citation: str,
    manifest: ShardFile,
    url: str | None = None,
    date: str | None = None,
) -> dict[str, Any]:
    """Describe a release in Croissant 1.0, as JSON-LD.

    Without an address of the release, files are named relative to the metadata. ``licences`` are
    SPDX identifiers, ``citation`` is BibTeX, ``manifest`` the file of the manifest.
    """
    data: dict[str, Any] = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "precondbench",
        "description": description,
        "version": precondbench.__version__,
        "license": [f"https://spdx.org/licenses/{licence}.html" for licence in licences],
        "creator": {"@type": "sc:Organization", "name": "The precondbench developers"},
        "citeAs": citation,
        "keywords": [
            "preconditioner",
            "sparse matrix",
            "incomplete Cholesky",
            "graph neural network",
        ],
    }
    if url:
        data["url"] = url
    if date:
        data["datePublished"] = date
    data["distribution"] = [
        _file(manifest, "application/json", "Every split, its recipe, digests and files.", url),
        *(file for split in splits for file in _split_files(split, url)),
    ]
    data["recordSet"] = [_split_table(splits), *(_record_table(split) for split in splits)]
    return data


def croissant_faults(data: dict[str, Any]) -> list[str] | None:
    """Faults that mlcroissant finds in metadata; None if it is not installed.

    It is part of the extra ``export``; a release is complete without it.
    """
    try:
        import mlcroissant
        from absl import logging
    except ImportError:
        return None
    level = logging.get_verbosity()
    # It warns about what Croissant recommends; a release without a date is complete.
    logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Its parser of JSON-LD deprecates parts of itself.
            warnings.simplefilter("ignore", DeprecationWarning)
            mlcroissant.Dataset(jsonld=data)
    except mlcroissant.ValidationError as error:
        return str(error).splitlines()
    finally:
        logging.set_verbosity(level)
    return []


def _file(file: ShardFile, media_type: str, description: str, url: str | None) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "description": description,
        "contentUrl": f"{url}/{file.path}" if url else file.path,
        "contentSize": f"{file.bytes} B",
        "encodingFormat": media_type,
        "sha256": file.sha256,
    }


def _split_files(split: ReleasedSplit, url: str | None) -> list[dict[str, Any]]:
    labels = ", ".join(f"l_{label}" for label in split.labels)
    upper = (
        ""
        if dataset_spec(split.plan.dataset).symmetric
        else "; the upper triangle of A and U lie transposed on the same pattern, as l_a_upper and "
        "l_<factor>_upper"
    )
    shard = (
        f"{split.plan.count} pairs (A, L) of {split.plan.path_name} in HDF5. /pattern holds the "
        "lower triangles of all A in CSR form, end to end (pointers_to_1, indices_1); /values "
        f"holds a (entries of A) and {labels} (entries of L) in the same order{upper}; /index "
        f"holds one row a record. Content digest {split.content_digest}."
    )
    index = f"The records of {split.shard.path}, one line each."
    return [
        _file(split.shard, "application/x-hdf5", shard, url),
        _file(split.index, "text/csv", index, url),
    ]


def _fields(table: str, columns: Iterable[Column], file: str | None) -> list[dict[str, Any]]:
    return [
        {
            "@type": "cr:Field",
            "@id": f"{table}/{column.name}",
            "name": f"{table}/{column.name}",
            "description": column.meaning,
            "dataType": _TYPES[column.kind],
            **(
                {"source": {"fileObject": {"@id": file}, "extract": {"column": column.name}}}
                if file
                else {}
            ),
        }
        for column in columns
    ]


def _split_table(splits: Sequence[ReleasedSplit]) -> dict[str, Any]:
    rows = [
        (
            split.shard.path,
            split.plan.dataset,
            split.plan.version,
            split.plan.configuration,
            split.plan.split,
            split.plan.count,
            split.content_digest,
        )
        for split in splits
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": "Every split of this release and the file that holds it.",
        "key": {"@id": "splits/path"},
        "field": _fields("splits", _SPLIT_COLUMNS, None),
        "data": [
            {
                f"splits/{column.name}": value
                for column, value in zip(_SPLIT_COLUMNS, row, strict=True)
            }
            for row in rows
        ],
    }


def _record_table(split: ReleasedSplit) -> dict[str, Any]:
    table = f"records/{split.plan.path_name}"
    return {
        "@type": "cr:RecordSet",
        "@id": table,
        "name": table,
        "description": f"The records of {split.plan.path_name}: sizes, digests, facts. The "
        f"matrices themselves are in {split.shard.path}, which Croissant cannot look into.",
        "key": {"@id": f"{table}/name"},
        "field": _fields(table, split.columns, split.index.path),
    }
