"""Families of real matrices, which stay together: in the splits of 1.0 and the folds of 2.0.

A split of 1.0 is a hash of the family, which also places families to come. In 2.0 every matrix is a
test matrix once.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from precondbench.errors import ConfigurationError
from precondbench.factors import LowerPattern
from precondbench.shards import SourceEntry

FOLDS = 5
_ROUNDS = 3
# Families of matrices with formulas: version ``sample`` is split as fold 0 is, and every part has
# some, so that version ``sample-2.0`` has five folds, too.
_FIXED = {"gr": 0, "minpack": 0, "nos": 1, "trefethen": 2, "fv": 3, "lf": 4}


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

    The stem of the name (leading digits dropped, letters up to the next digit or underscore, lower
    case), where a short list joins stems that name one kind of problem. Groups are ignored:
    ``HB/bcsstk28`` and ``Boeing/bcsstk34`` are one family.

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
    >>> from precondbench.recipes import family
    >>> family("bcsstm07"), family("1138_bus"), family("Trefethen_20b"), family("s3rmt3m1")
    ('bcsst', 'bus', 'trefethen', 's')
    """
    match = _STEM.match(name)
    stem = match[1].lower() if match else ""
    return _ALIASES.get(stem, stem)


def split_of_family(name: str, salt: int = SPLIT_SALT) -> str:
    """Return the split of a family, by a fixed hash that also places families to come.

    The first four bytes of sha256("precondbench:<salt>:<family>"), as a big-endian integer over
    2**32, are a number t in [0, 1): train below 0.6, val below 0.8, else test.

    Parameters
    ----------
    name : str
        The family, see :func:`family`.
    salt : int
        A whole number; the default is fixed.

    Returns
    -------
    str
        ``train``, ``val`` or ``test``.

    Examples
    --------
    >>> from precondbench.recipes import split_of_family
    >>> split_of_family("bcsst")
    'train'
    """
    digest = hashlib.sha256(f"precondbench:{salt}:{name}".encode()).digest()
    t = int.from_bytes(digest[:4], "big") / 2**32
    return "train" if t < 0.6 else "val" if t < 0.8 else "test"


def pattern_signature(pattern: LowerPattern) -> str:
    """Digest of a symmetric pattern that does not depend on the order of its rows.

    Rows are coloured by their number of entries, then three times by their colour and those of
    their neighbours (Weisfeiler and Leman 1968); the digest is that of all colours.

    Parameters
    ----------
    pattern : LowerPattern
        Lower triangle.

    Returns
    -------
    str
        64 hexadecimal digits. Different patterns can have equal ones.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.factors import lower_pattern
    >>> from precondbench.recipes.folds import pattern_signature
    >>> path, star = np.eye(4), np.eye(4)
    >>> path[1:, :-1] += np.eye(3)
    >>> star[1:, 0] = 1
    >>> pattern_signature(lower_pattern(path)) == pattern_signature(lower_pattern(star))
    False
    """
    indptr, neighbours, _, _ = pattern.symmetric()
    colours = np.diff(indptr).astype(np.uint64)
    for _ in range(_ROUNDS):
        mixed = _mixed(colours)
        # The row itself is among its neighbours, too, and so counts twice.
        colours = _mixed(mixed + np.add.reduceat(mixed[neighbours], indptr[:-1]))
    return hashlib.sha256(np.sort(colours).astype("<u8").tobytes()).hexdigest()


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble whole numbers, so that sums of them tell sets apart (finaliser of splitmix64)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def joined_families(families: Mapping[str, str], signatures: Mapping[str, str]) -> dict[str, str]:
    """Join families that hold the same pattern, up to the order of the rows.

    Parameters
    ----------
    families : mapping of str to str
        Family of each matrix, by its name.
    signatures : mapping of str to str
        Of the pattern of each matrix (:func:`pattern_signature`).

    Returns
    -------
    dict of str to str
        Family of each matrix; joined ones are called as the first of them.

    Examples
    --------
    >>> from precondbench.recipes.folds import joined_families
    >>> joined_families({"a1": "a", "b1": "b", "b2": "b"}, {"a1": "x", "b1": "y", "b2": "x"})
    {'a1': 'a', 'b1': 'a', 'b2': 'a'}
    """
    leader = {family: family for family in families.values()}

    def first(family: str) -> str:
        while leader[family] != family:
            family = leader[family]
        return family

    known: dict[str, str] = {}
    for name, signature in signatures.items():
        pair = sorted({first(families[name]), first(known.setdefault(signature, families[name]))})
        leader[pair[-1]] = pair[0]
    return {name: first(family) for name, family in families.items()}


def parts_of(families: Iterable[str]) -> dict[str, int]:
    """Share families out to five parts of about as many matrices.

    Largest first, each to the part with the fewest matrices; those of matrices with formulas have
    a fixed part.

    Parameters
    ----------
    families : iterable of str
        Family of every matrix.

    Returns
    -------
    dict of str to int
        Part of each family, 0 to 4.

    Examples
    --------
    >>> from precondbench.recipes.folds import parts_of
    >>> parts_of(["a", "a", "a", "b", "b", "c", "d", "e", "f"])
    {'a': 0, 'b': 1, 'c': 2, 'd': 3, 'e': 4, 'f': 2}
    """
    counts = Counter(families)
    fixed = {family: part for family, part in _FIXED.items() if family in counts}
    sizes = [sum(counts[family] for family in fixed if fixed[family] == k) for k in range(FOLDS)]
    parts = dict(fixed)
    for family in sorted(set(counts) - set(fixed), key=lambda name: (-counts[name], name)):
        part = min(range(FOLDS), key=lambda k: (sizes[k], k))
        parts[family] = part
        sizes[part] += counts[family]
    return parts


def splits_of_fold(
    sources: Sequence[SourceEntry], authors: Mapping[str, frozenset[str]], fold: int
) -> dict[str, tuple[str, ...]]:
    """Return the matrices of training, validation and test of a fold.

    Test matrices are those of part ``fold``, validation matrices those of the next part whose
    family has no author in common with a test matrix; all others are trained on.

    Parameters
    ----------
    sources : sequence of SourceEntry
        Built matrices, with their families and parts.
    authors : mapping of str to frozenset of str
        Of each matrix, by its full name.
    fold : int
        0 to 4.

    Returns
    -------
    dict of str to tuple of str
        Full names under ``train``, ``val`` and ``test``, in the order of the sources.

    Raises
    ------
    ConfigurationError
        If there is no such fold.
    """
    if isinstance(fold, bool) or not isinstance(fold, int) or not 0 <= fold < FOLDS:
        raise ConfigurationError(f"fold is {fold!r}; give a whole number from 0 to {FOLDS - 1}")
    of_family: dict[str, set[str]] = defaultdict(set)
    of_test: set[str] = set()
    for entry in sources:
        of_family[entry.family] |= authors[entry.full_name]
        if entry.split == part_name(fold):
            of_test |= authors[entry.full_name]
    following = part_name((fold + 1) % FOLDS)
    splits: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for entry in sources:
        if entry.split == part_name(fold):
            split = "test"
        elif entry.split == following and not of_family[entry.family] & of_test:
            split = "val"
        else:
            split = "train"
        splits[split].append(entry.full_name)
    return {split: tuple(names) for split, names in splits.items()}


def part_name(part: int) -> str:
    """Name of a part in the manifest.

    >>> part_name(3)
    'part-3'
    """
    return f"part-{part}"
