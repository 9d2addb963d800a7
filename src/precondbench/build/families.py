"""Families of matrices, and the rule that gives each family one split."""

from __future__ import annotations

import hashlib
import re

__all__ = ["SPLIT_SALT", "family", "split_of_family"]

# Stems that name one kind of problem under several names: stiffness and mass matrices of the
# same structures, variants of one model, problems of one test set on one grid.
_ALIASES = {
    "bcsstk": "bcsst",
    "bcsstm": "bcsst",
    "mhdb": "mhd",
    "lfat": "lf",
    "muu": "kuu",
    "obstclae": "minpack",
    "torsion": "minpack",
    "jnlbrng": "minpack",
    "minsurfo": "minpack",
    "cbuckle": "plbuckle",
}
_STEM = re.compile(r"[0-9_]*([A-Za-z]*)")

# The first whole number for which the matrices verified for version 1.0 spread over the
# splits as docs/data.md demands; fixed since.
SPLIT_SALT = 2117


def family(name: str) -> str:
    """Return the family of a matrix of the collection, from its name alone.

    The stem of the name (leading digits dropped, letters up to the next digit or underscore,
    lower case), where a short list joins stems that name one kind of problem. Groups do not
    enter: ``HB/bcsstk28`` and ``Boeing/bcsstk34`` are one family.

    Parameters
    ----------
    name : str
        Name without group.

    Returns
    -------
    str
        Family.

    Examples
    --------
    >>> from precondbench.build.families import family
    >>> family("bcsstm07"), family("1138_bus"), family("Trefethen_20b"), family("s3rmt3m1")
    ('bcsst', 'bus', 'trefethen', 's')
    """
    match = _STEM.match(name)
    stem = match[1].lower() if match else ""
    return _ALIASES.get(stem, stem)


def split_of_family(name: str, salt: int = SPLIT_SALT) -> str:
    """Return the split of a family: a stated hash, so that a new family has one place, too.

    The first four bytes of sha256("precondbench:<salt>:<family>"), as a big-endian integer
    over 2**32, are a number t in [0, 1): train below 0.6, val below 0.8, else test.

    Examples
    --------
    >>> from precondbench.build.families import split_of_family
    >>> split_of_family("bcsst")
    'train'
    """
    digest = hashlib.sha256(f"precondbench:{salt}:{name}".encode()).digest()
    t = int.from_bytes(digest[:4], "big") / 2**32
    return "train" if t < 0.6 else "val" if t < 0.8 else "test"
