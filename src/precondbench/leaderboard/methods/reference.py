"""Which rows the library itself puts on a board."""

from __future__ import annotations

from precondbench.factors import DEFAULT_PATTERN
from precondbench.leaderboard.methods.classical import (
    ReferenceMethod,
    spd_rows,
    spd_tridiagonal_rows,
)
from precondbench.leaderboard.methods.fill import pattern_rows
from precondbench.leaderboard.methods.lu import lu_rows
from precondbench.leaderboard.tracks import TrackName


def reference_rows(track: TrackName) -> dict[str, ReferenceMethod]:
    """Return the classical methods and oracles of a track by name.

    Parameters
    ----------
    track : TrackName
        The track.

    Examples
    --------
    >>> from precondbench.leaderboard.methods.reference import reference_rows
    >>> from precondbench.leaderboard import track_named
    >>> list(reference_rows(track_named("synthetic-tridiag-lu-1.0-twin-test")))[:4]
    ['none', 'Jacobi', 'Gauss-Seidel', 'symmetric Gauss-Seidel']
    """
    if track.nonsymmetric:
        rows = lu_rows()
    elif track.tridiagonal:
        rows = spd_tridiagonal_rows()
    elif track.configuration == DEFAULT_PATTERN:
        rows = spd_rows()
    else:
        rows = pattern_rows(track.configuration)
    return {row.name: row for row in rows}
