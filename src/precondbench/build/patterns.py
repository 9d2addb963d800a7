"""Patterns of the real benchmark's factors, by the name of the configuration."""

from __future__ import annotations

from collections.abc import Callable

from scipy.sparse import csr_array, tril

from precondbench.errors import ConfigurationError
from precondbench.factors import LowerPattern, level_of_fill, lower_pattern

__all__ = ["DEFAULT_PATTERN", "PATTERNS", "pattern_of"]

DEFAULT_PATTERN = "tril"


def _tril(matrix: csr_array) -> LowerPattern:
    return lower_pattern(tril(matrix, format="csr"))


PATTERNS: dict[str, Callable[[csr_array], LowerPattern]] = {
    DEFAULT_PATTERN: _tril,
    "level-1": lambda matrix: level_of_fill(matrix, 1),
    "level-2": lambda matrix: level_of_fill(matrix, 2),
}


def pattern_of(matrix: csr_array, name: str) -> LowerPattern:
    """Return the pattern of a configuration for one matrix.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        Checked symmetric matrix.
    name : {"tril", "level-1", "level-2"}
        Lower triangle of A, or that of IC(1) or IC(2).

    Raises
    ------
    ConfigurationError
        If there is no such pattern.

    Examples
    --------
    >>> from precondbench.build.patterns import pattern_of
    >>> from precondbench.matrices import formula_matrix
    >>> A = formula_matrix("HB/gr_30_30")
    >>> [pattern_of(A, name).nnz for name in ("tril", "level-1", "level-2")]
    [4322, 5946, 7512]
    """
    if name not in PATTERNS:
        raise ConfigurationError(f"no pattern {name!r}; there are: {', '.join(PATTERNS)}")
    return PATTERNS[name](matrix)
