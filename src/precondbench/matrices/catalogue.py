"""The catalogue: every real SPD matrix of the collection's index with n < 50,000, as facts."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources

from precondbench.matrices.collection import CollectionEntry

__all__ = ["CATALOGUE_LIMIT", "catalogue"]

CATALOGUE_LIMIT = 50_000


@cache
def catalogue() -> tuple[CollectionEntry, ...]:
    """Return the 161 entries, by size, then name.

    Taken from the collection's index of 8 October 2020 (2893 matrices).

    Returns
    -------
    tuple of CollectionEntry
        Facts only; no matrix is read.

    Examples
    --------
    >>> from precondbench.matrices import catalogue
    >>> len(catalogue()), catalogue()[0].full_name
    (161, 'Oberwolfach/LFAT5')
    """
    text = resources.files("precondbench.matrices").joinpath("catalogue.csv").read_text("utf-8")
    return tuple(
        CollectionEntry(
            matrix_id=int(row["id"]),
            group=row["group"],
            name=row["name"],
            rows=int(row["n"]),
            columns=int(row["n"]),
            nnz=int(row["nnz"]),
            real=True,
            positive_definite=True,
            kind=row["kind"],
        )
        for row in csv.DictReader(text.splitlines())
    )
