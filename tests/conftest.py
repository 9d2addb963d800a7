"""Shared fixtures: a cache for the session, no network, and the mirror if there is one."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest
import scipy.sparse as sp

from precondbench.matrices import Collection

pytest_plugins = ("tests.browsing",)
MIRROR_VARIABLE = "PRECONDBENCH_SUITESPARSE"
MIRROR = os.environ.get(MIRROR_VARIABLE)

# A shell starts background jobs with interrupts ignored, which processes of tests would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Use a separate cache, which the processes of a run share, and disable the network."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRECONDBENCH_CACHE", str(folder / "cache"))
        patch.setenv("PRECONDBENCH_OFFLINE", "1")
        patch.delenv("PRECONDBENCH_MIRROR", raising=False)
        # Tests obtain real matrices through the fixture below only.
        patch.delenv(MIRROR_VARIABLE, raising=False)
        yield


@pytest.fixture(scope="session")
def generic_cpu() -> dict[str, str]:
    """Settings that compile kernels for any processor of this kind; numba keeps them apart."""
    return {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}


@pytest.fixture(scope="session")
def mirror() -> Collection:
    """The mirrors of the collection given by the environment; skips the test without one."""
    if not MIRROR:
        pytest.skip(f"{MIRROR_VARIABLE} names no mirror of the SuiteSparse collection")
    return Collection(MIRROR)


def second_difference(m: int) -> sp.csr_array:
    one = np.ones(m)
    return sp.csr_array(sp.diags_array([-one[1:], 2 * one, -one[1:]], offsets=[-1, 0, 1]))


@pytest.fixture(scope="session")
def poisson_2d():
    """Five-point Laplacian on an m x m grid."""

    def make(m: int) -> sp.csr_array:
        T, eye = second_difference(m), sp.eye_array(m)
        return sp.csr_array(sp.kron(T, eye) + sp.kron(eye, T))

    return make


@pytest.fixture(scope="session")
def random_spd():
    """Sparse diagonally dominant matrix with a random symmetric pattern and signs."""

    def make(n: int, seed: int, density: float = 0.15, shift: float = 0.1) -> sp.csr_array:
        rng = np.random.default_rng(seed)
        dense = np.tril(rng.standard_normal((n, n)) * (rng.random((n, n)) < density), -1)
        off = dense + dense.T
        return sp.csr_array(off + np.diag(np.abs(off).sum(axis=1) + shift))

    return make
