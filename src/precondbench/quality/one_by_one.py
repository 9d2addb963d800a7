"""Stand-in until the solvers take several right-hand sides: one side after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precondbench import solvers
from precondbench.solvers import PCGResult, Status


@dataclass(frozen=True)
class SidesResult:
    """Outcomes of several sides."""

    x: NDArray[np.float64]
    iterations: tuple[int, ...]
    status: tuple[Status, ...]
    residual: tuple[float, ...]
    condition: float | None


def _each(solve: Callable[..., PCGResult]) -> Callable[..., SidesResult]:
    def run(matrix: Any, b: NDArray[np.float64], *given: Any) -> SidesResult:
        found = [solve(matrix, np.ascontiguousarray(column), *given) for column in b.T]
        return SidesResult(
            np.stack([one.x for one in found], axis=1),
            tuple(one.iterations for one in found),
            tuple(one.status for one in found),
            tuple(one.residual for one in found),
            None,
        )

    return run


pcg_values, pcg_operator = _each(solvers.pcg_values), _each(solvers.pcg_operator)
gmres_values, gmres_operator = _each(solvers.gmres_values), _each(solvers.gmres_operator)
