"""Boards: methods scored side by side, as tables, figures and pages."""

from precondbench.leaderboard.grid import read_grid
from precondbench.leaderboard.methods import real_methods, tridiagonal_methods
from precondbench.leaderboard.prediction_file import (
    PredictionFile,
    read_predictions,
    write_predictions,
)
from precondbench.leaderboard.tables import Board, score_methods

__all__ = [
    "Board",
    "PredictionFile",
    "read_grid",
    "read_predictions",
    "real_methods",
    "score_methods",
    "tridiagonal_methods",
    "write_predictions",
]
