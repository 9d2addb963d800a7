"""BibTeX for the data, the paper that asked for it, and the matrices it is made from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import precondbench
from precondbench.build.attributions import Attribution, attributions, source_names
from precondbench.errors import ConfigurationError
from precondbench.shards.manifest import Manifest, VersionEntry

__all__ = ["bibtex", "cite", "dataset_bibtex"]

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
    """BibTeX for every version of a dataset, or of all of them.

    Parameters
    ----------
    manifest : Manifest
        What there is.
    dataset : str, optional
        Only this one.

    Returns
    -------
    str
        Entries: the dataset, the paper, and, for real matrices, the collection and each
        matrix.

    Raises
    ------
    ConfigurationError
        If there is no such dataset.

    Examples
    --------
    >>> from precondbench.build.citations import cite
    >>> from precondbench.shards.manifest import load_manifest
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
    """BibTeX for versions of datasets and the matrices they are made from.

    Parameters
    ----------
    manifest : Manifest
        Describes the datasets.
    versions : iterable of (str, str)
        Dataset and version.
    sources : sequence of Attribution
        The matrices.
    url, date : str, optional
        Where (an address, or ``doi:`` and a DOI) and when (``YYYY-MM-DD``) it was published.

    Returns
    -------
    str
        Entries, separated by empty lines.
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
