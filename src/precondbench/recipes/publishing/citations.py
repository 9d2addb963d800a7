"""Citations: BibTeX of datasets, and the authors of the source matrices."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import precondbench
from precondbench.errors import ConfigurationError, ManifestError
from precondbench.shards import Manifest, VersionEntry


@dataclass(frozen=True)
class Attribution:
    """A source matrix: names, licence (SPDX), number, and the texts of its header if known."""

    group: str
    name: str
    licence: str
    matrix_id: int | None = None
    title: str = ""
    author: str = ""
    editor: str = ""
    date: str = ""

    @property
    def full_name(self) -> str:
        """``group/name``."""
        return f"{self.group}/{self.name}"

    @property
    def url(self) -> str:
        """Page of the matrix in the collection."""
        return f"https://sparse.tamu.edu/{self.full_name}"


def attributions(names: Iterable[str], manifest: Manifest) -> list[Attribution]:
    """Attribution of each source matrix (``group/name``), by group and name.

    ManifestError if the manifest has no licence for one of them: it could not be published.

    >>> from precondbench.shards import load_manifest
    >>> (beam,) = attributions(["HB/nos1"], load_manifest())
    >>> beam.author, beam.date, beam.matrix_id, beam.licence
    ('H. Simon', '1982', 217, 'CC-BY-4.0')
    """
    entries = {f"{entry.group}/{entry.name}": entry for entry in manifest.sources}
    found = []
    for full_name in sorted(set(names)):
        entry = entries.get(full_name)
        if entry is None:
            raise ManifestError(
                f"the manifest's sources do not list {full_name}, so its licence is not known; "
                "add it to them before anything made from it is published"
            )
        words = _headers().get(full_name, {})
        found.append(Attribution(entry.group, entry.name, entry.licence, entry.matrix_id, **words))
    return found


def source_names(manifest: Manifest, dataset: str, version: str) -> list[str]:
    """``group/name`` of every source matrix that the recipes of a dataset name.

    >>> from precondbench.shards import load_manifest
    >>> len(source_names(load_manifest(), "suitesparse-invk", "sample"))
    13
    """
    known = {f"{source.group}/{source.name}" for source in manifest.sources}
    configurations = manifest.datasets[dataset][version].configurations
    texts = {text for entry in configurations.values() for text in _texts(entry.recipe)}
    return sorted(known & texts)


def _texts(value: object) -> Iterable[str]:
    """Every text in a JSON value, names of fields included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def authors_of(full_name: str) -> frozenset[str]:
    """Authors of a matrix of the collection; where they are not known, its group.

    >>> sorted(authors_of("Norris/fv2")), sorted(authors_of("HB/nos1"))
    (['Norris'], ['H. Simon'])
    """
    header = _headers().get(full_name)
    known = header["author"].split(", ") if header else [full_name.partition("/")[0]]
    return frozenset(known)


@cache
def _headers() -> dict[str, dict[str, str]]:
    text = (
        resources.files("precondbench.recipes.publishing")
        .joinpath("attributions.csv")
        .read_text("utf-8")
    )
    return {
        f"{row.pop('group')}/{row.pop('name')}": row for row in csv.DictReader(text.splitlines())
    }


_YEAR = "2026"  # of the library's version, where no date of publication is given

_PAPER = (
    "article",
    "trifonov2026messagepassing",
    {
        "author": "Trifonov, Vladislav and Muravleva, Ekaterina and Oseledets, Ivan",
        "title": "Message-Passing {GNNs} Fail to Approximate Sparse Triangular Factorizations",
        "journal": "Transactions on Machine Learning Research",
        "year": "2026",
        "eprint": "2502.01397",
        "archiveprefix": "arXiv",
        "url": "https://arxiv.org/abs/2502.01397",
    },
)
_COLLECTION = (
    "article",
    "davis2011university",
    {
        "author": "Davis, Timothy A. and Hu, Yifan",
        "title": "The {University} of {Florida} Sparse Matrix Collection",
        "journal": "ACM Transactions on Mathematical Software",
        "volume": "38",
        "number": "1",
        "articleno": "1",
        "year": "2011",
        "doi": "10.1145/2049662.2049663",
    },
)
_INTERFACE = (
    "article",
    "kolodziej2019suitesparse",
    {
        "author": "Kolodziej, Scott P. and Aznaveh, Mohsen and Bullock, Matthew and "
        "David, Jarrett and Davis, Timothy A. and Henderson, Matthew and Hu, Yifan and "
        "Sandstrom, Read",
        "title": "The {SuiteSparse} Matrix Collection Website Interface",
        "journal": "Journal of Open Source Software",
        "volume": "4",
        "number": "35",
        "pages": "1244",
        "year": "2019",
        "doi": "10.21105/joss.01244",
    },
)


def cite(manifest: Manifest, dataset: str | None = None) -> str:
    """BibTeX for every version of a dataset, or of all: dataset, paper, collection, each matrix.

    ConfigurationError if there is no such dataset.

    >>> from precondbench.shards import load_manifest
    >>> text = cite(load_manifest(), "synthetic-tridiag")
    >>> [line for line in text.splitlines() if line.startswith("@")]
    ['@software{precondbench-synthetic-tridiag-1.0,', '@article{trifonov2026messagepassing,']
    """
    if dataset is not None and dataset not in manifest.datasets:
        raise ConfigurationError(
            f"no dataset {dataset!r}; there are: {', '.join(sorted(manifest.datasets))}"
        )
    versions = [
        (name, version)
        for name in sorted(manifest.datasets)
        if dataset in (None, name)
        for version in sorted(manifest.datasets[name])
    ]
    names = [name for pair in versions for name in source_names(manifest, *pair)]
    return bibtex(manifest, versions, attributions(names, manifest))


def bibtex(
    manifest: Manifest,
    versions: Iterable[tuple[str, str]],
    sources: Sequence[Attribution],
    url: str | None = None,
    date: str | None = None,
) -> str:
    """BibTeX for versions (dataset, version) and the matrices they are made from.

    ``url`` (an address, or ``doi:`` and a DOI) and ``date`` say where and when it was published.
    """
    entries = [
        dataset_bibtex(dataset, version, manifest.datasets[dataset][version], url, date)
        for dataset, version in versions
    ]
    entries.append(_entry(*_PAPER))
    if sources:
        entries += [_entry(*_COLLECTION), _entry(*_INTERFACE)]
    entries += [_matrix_entry(source) for source in sources]
    return "\n".join(entries)


def dataset_bibtex(
    dataset: str,
    version: str,
    entry: VersionEntry,
    url: str | None = None,
    date: str | None = None,
) -> str:
    """BibTeX entry of one version of a dataset."""
    fields = {
        "author": "{The precondbench developers}",
        "title": f"{{{_escaped(dataset)}}}, a dataset of {{precondbench}}",
        "version": _escaped(version),
        "year": date[:4] if date else _YEAR,
        "note": _escaped(f"Made with precondbench {precondbench.__version__}, {entry.licence}"),
    }
    if date:
        fields["date"] = date
    if url and url.startswith("doi:"):
        fields["doi"] = url.removeprefix("doi:")
    elif url:
        fields["url"] = url
    return _entry("software", f"precondbench-{dataset}-{version}", fields)


def _matrix_entry(source: Attribution) -> str:
    number = f", matrix {source.matrix_id}" if source.matrix_id is not None else ""
    title = f"{{{_escaped(source.full_name)}}}"
    if source.title:
        title += f": {_escaped(source.title)}"
    people = f"Edited by {source.editor}. " if source.editor else ""
    fields = {
        "author": _authors(source.author),
        "title": title,
        "year": source.date,
        "howpublished": f"SuiteSparse Matrix Collection{number}",
        "note": _escaped(f"{people}{source.licence}"),
        "url": source.url,
    }
    key = f"suitesparse-{source.group}-{source.name}"
    return _entry("misc", key, {name: text for name, text in fields.items() if text})


def _authors(text: str) -> str:
    """People have initials; a name without any is an institution and must not be taken apart."""
    people = [person for person in text.split(", ") if person]
    return " and ".join(
        _escaped(person) if "." in person else f"{{{_escaped(person)}}}" for person in people
    )


def _escaped(text: str) -> str:
    return "".join(f"\\{sign}" if sign in "&%$#_{}" else sign for sign in text)


def _entry(kind: str, key: str, fields: dict[str, str]) -> str:
    lines = [f"  {name} = {{{text}}}," for name, text in fields.items()]
    return "\n".join([f"@{kind}{{{key},", *lines, "}", ""])
