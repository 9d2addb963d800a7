"""Methods: anything that prepares a preconditioner of one matrix."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator

from precondbench.errors import BreakdownError, CostError, PredictionError, RunError
from precondbench.quality.context import Context
from precondbench.quality.pair import Pair, PairSource
from precondbench.quality.values import Refusal


@runtime_checkable
class Method(Protocol):
    """A way to make a preconditioner: a classical one, a trained network, or your own.

    Examples
    --------
    >>> from precondbench import Pair, evaluate, ic0
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> class Shifted:
    ...     def setup(self, A, context):
    ...         return ic0(A) * (2.0 if context.name == "first" else 1.0)
    >>> A = tridiagonal_csr(poisson_1d(30))
    >>> evaluate([Pair("first", A, ic0(A))], Shifted()).iterations
    (1,)
    """

    def setup(self, A: csr_array, context: Context) -> Any:
        """Return a preconditioner of a matrix.

        Parameters
        ----------
        A : scipy.sparse.csr_array
            The matrix, float64, shape (n, n).
        context : Context
            Name of the matrix, and what is known about it.

        Returns
        -------
        array_like, sparse array, tuple, LinearOperator or callable
            Values on the pattern of the target, a lower-triangular factor L, where A is not
            symmetric a pair (L, U); an operator close to the inverse of A, such as
            :class:`precondbench.solvers.SparseInverse` or
            :class:`precondbench.solvers.Deflation`; or a function r -> z, which need not be
            linear. None is a failure.
        """
        ...


@runtime_checkable
class Closing(Protocol):
    """A preconditioner that holds something that is to be given back after the solve."""

    def close(self) -> None:
        """Give it back."""


Predictions = Method | Mapping[str, Any] | Sequence[Any] | Callable[[csr_array], Any]


def context_of(dataset: PairSource, index: int, name: str) -> Context:
    """Return the context of a matrix: beside its name only what the dataset has."""
    known = {what: getattr(dataset, what, None) for what in ("facts", "geometry", "earlier")}
    return Context(name, **{what: of(index) for what, of in known.items() if of is not None})


def check_cover(predictions: Any, names: Sequence[str]) -> None:
    """Raise PredictionError unless there is one prediction for each name.

    A mapping must hold every name and no other; ``None`` as a value counts as a failure.
    """
    if isinstance(predictions, Mapping):
        missing = [name for name in names if name not in predictions]
        if missing:
            raise PredictionError(
                f"predictions lack {len(missing)} of {len(names)} matrices, first {missing[0]!r}; "
                "give every one (None for a failure)"
            )
        known = set(names)
        extra = [name for name in predictions if name not in known]
        if extra:
            raise PredictionError(
                f"predictions hold {len(extra)} names that the dataset does not have, first "
                f"{extra[0]!r}; is it the right split?"
            )
        return
    if isinstance(predictions, (str, bytes)) or not hasattr(predictions, "__len__"):
        raise PredictionError(
            f"predictions are a {type(predictions).__name__}; give a mapping name -> values, a "
            "list in the dataset's order, a callable A -> L, or a method with setup(A, context)"
        )
    if len(predictions) != len(names):
        raise PredictionError(
            f"{len(predictions)} predictions for {len(names)} matrices; give one each, in order"
        )


def prediction_of(predictions: Any, index: int, name: str) -> Any:
    """Return what is given for one matrix: a method, a function, values, a factor, or None."""
    if covers_all(predictions):
        return predictions
    return predictions[name] if isinstance(predictions, Mapping) else predictions[index]


def covers_all(predictions: Any) -> bool:
    """Whether it is one method, function or operator for every matrix."""
    return callable(predictions) or isinstance(predictions, Method)


def set_up(given: Any, pair: Pair, context: Context) -> Any:
    """Return the preconditioner that a method, a function or a prediction gives, or a Refusal.

    A method that raises BreakdownError, CostError, ZeroDivisionError, FloatingPointError or
    numpy.linalg.LinAlgError has failed on this matrix, and so has one in a process of its own that
    ends or exceeds its limits; other exceptions are bugs and pass.
    """
    if isinstance(given, Method) or (callable(given) and not isinstance(given, LinearOperator)):
        try:
            given = given.setup(pair.A, context) if isinstance(given, Method) else given(pair.A)
        except (BreakdownError, CostError, ArithmeticError, np.linalg.LinAlgError) as error:
            return Refusal(f"{type(error).__name__}: {error}")
        except RunError as error:
            return Refusal(str(error))
    if given is None:
        return Refusal("no prediction")
    if isinstance(given, LinearOperator) and given.shape != pair.A.shape:
        raise PredictionError(
            f"{pair.name}: the operator has shape {given.shape}, the matrix {pair.A.shape}"
        )
    return given
