"""Kernels give the same bits when Python runs them: compiling changes no order of operations."""

import sys
from contextlib import contextmanager

import numpy as np
import pytest
from scipy import sparse

from precondbench import gmres, ic0, ilu0, invk, k_condition, mic0, pcg
from precondbench.factors import (
    factor_values,
    fsai,
    ict,
    invk_report,
    khop_factor,
    level_of_fill,
    local_invk,
    lower_pattern,
    minimum_degree,
    selected_inverse,
    shifted_ic0,
)
from precondbench.matrices import (
    UniformStream,
    formula_matrix,
    parametric_family,
    poisson_1d,
    tridiagonal_csr,
)
from precondbench.solvers import (
    after_reordering,
    exact_cholesky,
    gmres_values,
    pcg_values,
    smoothed_aggregation,
)


@contextmanager
def interpreted():
    """Replace every compiled kernel of the library by its Python function."""
    replaced = []
    for name, module in list(sys.modules.items()):
        if name.startswith("precondbench"):
            for attribute, value in list(vars(module).items()):
                function = getattr(value, "py_func", None)
                if function is not None:
                    replaced.append((module, attribute, value))
                    setattr(module, attribute, function)
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        for module, attribute, value in replaced:
            setattr(module, attribute, value)


def grid():
    """A 2D Laplacian with 42 unknowns whose values differ."""
    A = sparse.csr_array(formula_matrix("HB/gr_30_30")[:42, :42])
    D = sparse.diags_array(1.0 + np.arange(42) / 7)
    return sparse.csr_array(D @ A @ D)


def nearly_singular():
    """A cycle of four resistors with a small ground: with fill-in."""
    a, b, c, d = 0.4, 2.5, 1.3, 0.7
    return np.array(
        [[a + d, -a, 0, -d], [-a, a + b, -b, 0], [0, -b, b + c, -c], [-d, 0, -c, c + d + 1e-13]]
    )


def barely_definite():
    """Three resistors in a row: double precision meets a pivot of 0, the exact one is positive."""
    a, b = 2.586472402103951, 0.19739816838584662
    return np.array([[a, -a, 0], [-a, a + b, -b], [0, -b, b]])


def skew():
    A = grid()
    return sparse.csr_array(A + 0.25 * sparse.triu(A, 1))


def sides():
    """Five: one block of four and one of one, and one of them zero."""
    b = np.random.default_rng(0).uniform(-1, 1, (42, 5))
    b[:, 2] = 0.0
    return grid(), b


def as_bits(result):
    condition = result.condition or 0.0
    return np.concatenate((result.x.ravel(), result.iterations, result.residual, [condition]))


def family_values(name, **given):
    family = parametric_family(name)
    return family.draw(UniformStream(family.stream), 60, given)[0].A.data


CASES = {
    "ic0": lambda: ic0(grid()).data,
    "shifted-ic0": lambda: shifted_ic0(grid())[0].data,
    "mic0": lambda: mic0(grid(), 0.9, 7.0 / np.arange(7.0, 49.0)).data,
    "mic0-vectors": lambda: mic0(grid(), 0.5, np.vander(np.arange(42) / 42, 3)).data,
    "ict": lambda: ict(grid(), drop_tolerance=0.01).data,
    "ilu0": lambda: np.concatenate([factor.data for factor in ilu0(skew())]),
    "fsai": lambda: fsai(grid()).data,
    "level-of-fill": lambda: level_of_fill(grid(), 2).indices,
    "inv-k": lambda: invk(grid(), method="simplicial").data,
    "local-inv-k": lambda: local_invk(grid(), 2).data,
    "window": lambda: khop_factor(poisson_1d(12), 3).diagonal,
    "inv-k-with-32-digits": lambda: invk_report(nearly_singular(), method="simplicial").error,
    "inv-k-only-with-32-digits": lambda: invk(barely_definite(), method="simplicial").data,
    "k-with-32-digits": lambda: k_condition(nearly_singular(), np.eye(4)),
    "cholesky-with-32-digits": lambda: exact_cholesky(nearly_singular()) @ np.ones(4),
    "pcg": lambda: pcg(grid(), np.ones(42), ic0(grid())).x,
    "pcg-operator": lambda: (
        pcg(grid(), np.ones(42), M=after_reordering(grid(), minimum_degree, ic0)).x
    ),
    "multigrid": lambda: smoothed_aggregation(tridiagonal_csr(poisson_1d(60))) @ np.ones(60),
    "pcg-sides": lambda: as_bits(pcg_values(*sides(), *factor_values(ic0(grid())))),
    "pcg-flexible": lambda: pcg(grid(), np.ones(42), M=ic0(grid()), flexible=True).x,
    "gmres-sides": lambda: as_bits(gmres_values(*sides(), None, None, restart=9)),
    "gmres-flexible": lambda: gmres(skew(), np.ones(42), M=ic0(grid()), flexible=True).x,
    "gmres": lambda: gmres(skew(), np.ones(42), *ilu0(skew())).x,
    "selected-inverse": lambda: (
        selected_inverse(grid(), lower_pattern(sparse.tril(grid(), format="csr"))).values
    ),
    "mesh": lambda: family_values("mesh-2d"),
    "tetrahedra": lambda: family_values("elasticity-3d"),
    "product": lambda: family_values("random-spd"),
} | {f"graph-{kind}": lambda kind=kind: family_values("graph", kind=kind) for kind in range(4)}


@pytest.mark.filterwarnings("ignore::precondbench.errors.AccuracyWarning")
@pytest.mark.parametrize("run", CASES.values(), ids=CASES)
def test_the_bits_are_those_of_python(run):
    compiled = np.asarray(run())
    with interpreted():
        assert np.asarray(run()).tobytes() == compiled.tobytes()
