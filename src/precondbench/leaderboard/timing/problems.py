"""Systems that times are measured on: drawn from families at any size, or real matrices."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from precondbench.errors import ConfigurationError
from precondbench.matrices import (
    FAMILIES,
    Collection,
    DiscreteSystem,
    UniformStream,
    catalogue,
    matrix_digest,
    near_null_vectors,
    parametric_family,
)
from precondbench.quality import Context
from precondbench.shards import cache_root

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# The stream of systems that are timed; those of splits have other numbers.
SEED, DRAWS = 20261129, 97
# Kernels are compiled on a system of this size first.
WARM_ROWS = 400
SMALLEST, LARGEST = 100, 10_000_000
_DRAWN = re.compile(r"(?P<family>[a-z0-9-]+?)-(?P<rows>[1-9][0-9]{2,7})")


@dataclass(frozen=True)
class TimedProblem:
    """A system to be solved.

    Attributes
    ----------
    name : str
        ``<family>-<rows>``, or ``<group>/<matrix>`` of the SuiteSparse collection.
    A : scipy.sparse.csr_array
        The matrix.
    context : Context
        What a solver would know about it.
    digest : str
        Sha256 of the matrix.
    """

    name: str
    A: csr_array
    context: Context
    digest: str


def timed_problem(name: str) -> TimedProblem:
    """Return the system that a name stands for.

    Parameters
    ----------
    name : str
        ``<family>-<rows>``: the first system of a draw with about so many rows, always the same;
        or ``<group>/<matrix>``, read from the mirror or fetched from the SuiteSparse collection.

    Raises
    ------
    ConfigurationError
        If it is neither.
    MissingDataError
        If a real matrix cannot be had.

    Examples
    --------
    >>> from precondbench.leaderboard.timing.problems import timed_problem
    >>> timed_problem("diffusion-2d-100").A.shape
    (100, 100)
    """
    if "/" in name:
        entries = {entry.full_name: entry for entry in catalogue(None)}
        if name not in entries:
            raise ConfigurationError(
                f"the catalogue has no positive definite matrix {name!r}; `precondbench info "
                "suitesparse-invk` lists them"
            )
        A = Collection(cache=cache_root() / "collection").matrix(entries[name])
        return TimedProblem(name, A, Context(name), matrix_digest(A))
    return drawn_problem(*family_and_rows(name), name)


def family_and_rows(name: str) -> tuple[str, int]:
    """Return the two parts of the name of a drawn problem."""
    parts = _DRAWN.fullmatch(name)
    if parts is None or parts["family"] not in FAMILIES:
        raise ConfigurationError(
            f"there is no problem {name!r}; name a real matrix, such as HB/nos3, or a family and "
            f"a number of rows, such as diffusion-2d-10000; families: {', '.join(FAMILIES)}"
        )
    rows = int(parts["rows"])
    if not SMALLEST <= rows <= LARGEST:
        raise ConfigurationError(
            f"{name} has {rows} rows; times are measured from {SMALLEST} to {LARGEST:,} rows"
        )
    return parts["family"], rows


def warm_problem(problem: TimedProblem) -> TimedProblem:
    """Return a small system of the same kind, to compile kernels on."""
    family = "diffusion-2d" if "/" in problem.name else family_and_rows(problem.name)[0]
    return drawn_problem(family, WARM_ROWS, "warm")


def drawn_problem(family: str, rows: int, name: str, seed: int = SEED) -> TimedProblem:
    """Return the first system of a draw, for another seed than that of problems another one."""
    drawn = parametric_family(family)
    stream = UniformStream(seed, drawn.stream, DRAWS, rows)
    return _of_system(name, next(iter(drawn.draw(stream, rows, {}))))


def _of_system(name: str, system: DiscreteSystem) -> TimedProblem:
    n = system.A.shape[0]
    # By row and under the names that datasets serve it with.
    nodes = {"pos": system.coordinates, "coefficients": system.coefficients}
    geometry = {
        key: values.repeat(system.unknowns, axis=0)
        for key, values in nodes.items()
        if values is not None
    }
    if system.near_null_space != "none":
        geometry["near_null"] = near_null_vectors(system.near_null_space, n, system.coordinates)
    facts = {
        "unknowns": system.unknowns,
        "near_null_space": system.near_null_space,
        **({} if system.h is None else {"h": system.h}),
    }
    return TimedProblem(name, system.A, Context(name, facts, geometry), matrix_digest(system.A))
