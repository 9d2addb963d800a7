"""Calls from Python that a new user gets wrong: arguments mixed up, misspelt or of another kind."""

import numpy as np
import torch
from harness import Subject
from scipy.sparse import csr_array

from precondbench import (
    ParametricInvK,
    SuiteSparseInvK,
    SyntheticTridiag,
    evaluate,
    ic0,
    invk,
    pcg,
)
from precondbench.baselines import TrainingConfiguration, build_model, load_model
from precondbench.errors import (
    CheckpointError,
    ConfigurationError,
    MatrixError,
    PredictionError,
)

CALLS = Subject(
    "Calls from Python",
    "arguments mixed up, misspelt, of another type or out of range: datasets, evaluation, factors, "
    "solvers, models",
    "one error of the library that names the argument, and the choices or the call that was meant",
)
A = csr_array(np.array([[4.0, 1.0], [1.0, 3.0]]))
b = np.ones(2)


def pairs(count=3):
    return SyntheticTridiag(split="test")[:count]


def wrong(name, kind, fragment, call):
    # Splits may come into the cache before a mistake is seen.
    CALLS.add(name, lambda bench: bench.refused(kind, fragment, call, keeps=False))


def setting(name, fragment, call):
    wrong(name, ConfigurationError, fragment, call)


def matrix(name, fragment, call):
    wrong(name, MatrixError, fragment, call)


setting("split-as-root", r"'test', which is a split.*split='test'", lambda: SuiteSparseInvK("test"))
setting("split-as-root-of-tridiagonal", "'val', which is a split", lambda: SyntheticTridiag("val"))
setting("configuration-as-root", "is a configuration of", lambda: SyntheticTridiag("uniform"))
setting("version-as-root", "'2.0', which is a version", lambda: SuiteSparseInvK("2.0"))
setting("family-misspelt", "did you mean 'diffusion-2d'", lambda: ParametricInvK("diffusion2d"))
setting("family-in-capitals", "did you mean 'mesh-2d'", lambda: ParametricInvK("Mesh-2D"))
setting("split-of-others", "did you mean 'val'", lambda: ParametricInvK("mesh-2d", split="valid"))
setting("split-a-number", "no split 0; there are: train", lambda: SyntheticTridiag(split=0))
setting("version-a-number", r"no version 1\.0; .*texts", lambda: SyntheticTridiag(version=1.0))
setting(
    "configuration-misspelt", "did you mean 'uniform'", lambda: SyntheticTridiag(config="unifrom")
)
setting(
    "fold-too-large",
    "fold is 5; give a whole number from 0 to 4",
    lambda: SuiteSparseInvK(version="2.0", fold=5),
)
setting(
    "fold-of-a-version-without",
    "sample has no folds.*version='2.0'",
    lambda: SuiteSparseInvK(version="sample", fold=0),
)
setting(
    "label-misspelt",
    "no label 'inv-k'; there are: best, invk",
    lambda: SuiteSparseInvK(version="sample", label="inv-k"),
)
setting(
    "name-of-no-matrix", "no matrix of .* is called 'bcsstk01'", lambda: pairs().pair("bcsstk01")
)
setting(
    "parameter-of-another-family",
    "diffusion-2d has no parameter 'contrast'; there are: variance",
    lambda: ParametricInvK.generate("diffusion-2d", n=100, count=1, contrast=10),
)
setting(
    "no-rows", "n is 0.*must be 1 or more", lambda: ParametricInvK.generate("diffusion-2d", n=0)
)

wrong("method-by-name", PredictionError, "a str; give a mapping", lambda: evaluate(pairs(), "ic0"))
wrong(
    "method-before-dataset", PredictionError, "dataset comes first", lambda: evaluate(ic0, pairs())
)
wrong("matrices-as-dataset", PredictionError, "a list of Pair", lambda: evaluate([A], ic0))
wrong(
    "too-few-predictions",
    PredictionError,
    "1 predictions for 3 matrices",
    lambda: evaluate(pairs(), [np.eye(50)]),
)

matrix("not-symmetric", r"\(1, 0\) is 0 but \(0, 1\) is 2; .*pass", lambda: ic0([[1.0, 2], [0, 1]]))
matrix("a-vector", "1 dimension", lambda: ic0(np.ones(3)))
matrix("complex", "complex128.*A.real", lambda: ic0(A.astype(complex)))
matrix("a-path", r"A has entries of type <U10; .*read_matrix", lambda: ic0("matrix.mtx"))
matrix("pattern-by-name", "pattern has entries of type", lambda: invk(A, "tril"))
matrix("tensor-not-square", r"not square \(2 x 3\)", lambda: invk(torch.eye(3)[:2]))
matrix("right-hand-side-too-long", r"b has shape \(3,\).*\(2,\)", lambda: pcg(A, np.ones(3)))
matrix("upper-factor", r"L has entry \(0, 1\) above.*L\.T", lambda: pcg(A, b, ic0(A).T))
matrix("function-as-m", "M is a function; give .*LinearOperator", lambda: pcg(A, b, M=ic0))
setting("method-of-factor", "'dense'; choose one of auto", lambda: invk(A, method="dense"))
setting("tolerance-below-0", "rtol is -1", lambda: pcg(A, b, rtol=-1))

setting(
    "model-of-others", "no model is called 'GCN'.*did you mean 'GEN'", lambda: build_model("GCN")
)
setting("model-in-small-letters", "did you mean 'MLP'", lambda: build_model("mlp"))
setting("rounds-a-text", "rounds is '4'; give an integer", lambda: build_model("MLP", "4"))
setting("setting-of-others", "unknown settings: lr; known", lambda: TrainingConfiguration(lr=0.1))
setting("epochs-below-0", "epochs is -1", lambda: TrainingConfiguration(epochs=-1))


def _folder_as_checkpoint(bench):
    def load():
        load_model(bench.folder)

    bench.refused(CheckpointError, "a run has checkpoint.safetensors in its folder", load)


CALLS.add("folder-as-checkpoint", _folder_as_checkpoint)


@CALLS.parametrised()
def test_python_calls(bench, name):
    CALLS.run(bench, name)
