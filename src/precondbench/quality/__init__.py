"""How good is L: cosine, K-condition number, iterations, effective hops, locality."""

from precondbench.quality.cosine import cosine, one_minus_cosine
from precondbench.quality.evaluate import Evaluation, evaluate, evaluate_many
from precondbench.quality.hops import HopLadder, is_tridiagonal, khop_values
from precondbench.quality.kcondition import KCondition, k_condition
from precondbench.quality.locality import LocalityProfile, locality_profile, profile_of_factors
from precondbench.quality.pair import Pair, PairSource
from precondbench.quality.pcg import PCGResult, Status, pcg
from precondbench.quality.predictions import Predictions
from precondbench.quality.protocol import MAXITER, RTOL, Outcome, ScoringSystem
from precondbench.quality.scoring import PreparedPair, Row

__all__ = [
    "MAXITER",
    "RTOL",
    "Evaluation",
    "HopLadder",
    "KCondition",
    "LocalityProfile",
    "Outcome",
    "PCGResult",
    "Pair",
    "PairSource",
    "Predictions",
    "PreparedPair",
    "Row",
    "ScoringSystem",
    "Status",
    "cosine",
    "evaluate",
    "evaluate_many",
    "is_tridiagonal",
    "k_condition",
    "khop_values",
    "locality_profile",
    "one_minus_cosine",
    "pcg",
    "profile_of_factors",
]
