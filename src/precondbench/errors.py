"""Exceptions: one class a kind of fault, each message says what, where and what to do next."""

from __future__ import annotations

__all__ = [
    "AccuracyWarning",
    "BreakdownError",
    "CheckpointError",
    "ConfigurationError",
    "CostError",
    "DigestError",
    "LeaderboardError",
    "ManifestError",
    "MatrixError",
    "MissingDataError",
    "PrecondbenchError",
    "PredictionError",
    "RunError",
    "ShardError",
    "SubmissionError",
    "TrainingDivergedError",
]


class AccuracyWarning(UserWarning):
    """A result was computed and is handed out, but few of its digits can be trusted."""


class PrecondbenchError(Exception):
    """Base class of every exception this library raises on purpose."""


class MatrixError(PrecondbenchError, ValueError):
    """A matrix or a sparsity pattern cannot be used: shape, type, symmetry or values are wrong."""


class BreakdownError(PrecondbenchError, ArithmeticError):
    """A factorisation met a pivot that is not positive (of LU: that is zero or not finite).

    Parameters
    ----------
    message : str
        What broke down and what to do about it.
    column : int
        Zero-based column (in the order of the matrix as given) of the first bad pivot.
    """

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.column = column

    def __reduce__(self) -> tuple[type[BreakdownError], tuple[str, int]]:
        # Workers of a process pool send exceptions back by pickling them.
        return (type(self), (str(self.args[0]), self.column))


class ConfigurationError(PrecondbenchError, ValueError):
    """A named choice (dataset, configuration, split, target, model, ...) does not exist."""


class CostError(PrecondbenchError):
    """What was asked for would take more work or memory than is allowed; nothing was begun."""


class PredictionError(PrecondbenchError, ValueError):
    """Predictions do not fit the dataset: wrong count, length, name or type."""


class RunError(PrecondbenchError):
    """A method in a process of its own failed, broke a limit, or sent what is no answer."""


class ShardError(PrecondbenchError):
    """A data file is not a shard of the documented format, or is damaged."""


class DigestError(ShardError):
    """Content does not have the digest it should have; the message names the first record."""


class ManifestError(PrecondbenchError):
    """data_manifest.json is missing or does not follow its schema."""


class MissingDataError(PrecondbenchError):
    """Data is neither in the cache, nor on a mirror, nor can it be built here."""


class CheckpointError(PrecondbenchError):
    """A file is not a checkpoint of the documented format, or does not fit its model."""


class LeaderboardError(PrecondbenchError, ValueError):
    """A file of the leaderboard is damaged, or its scores are not those that come out again."""


class SubmissionError(PrecondbenchError, ValueError):
    """A submission is incomplete, contradicts itself, or cannot be trusted."""


class TrainingDivergedError(PrecondbenchError, ArithmeticError):
    """The loss or the validation cosine is no longer finite."""
