"""How good is L: cosine, K-condition number, iterations, effective hops, locality."""

from precondbench.quality.cosine import cosine, one_minus_cosine
from precondbench.quality.evaluate import Evaluation, evaluate, evaluate_many
from precondbench.quality.far_response import FarResponse, far_response
from precondbench.quality.general_protocol import GeneralSystem
from precondbench.quality.gmres import gmres
from precondbench.quality.hops import HopLadder, is_tridiagonal, khop_values
from precondbench.quality.kcondition import KCondition, k_condition
from precondbench.quality.locality import LocalityProfile, locality_profile, profile_of_factors
from precondbench.quality.lu_hops import LUHopLadder, khop_lu_values
from precondbench.quality.lu_methods import lu_methods
from precondbench.quality.lu_scoring import PreparedLUPair
from precondbench.quality.pair import LUPair, Pair, PairSource
from precondbench.quality.pcg import PCGResult, Status, pcg
from precondbench.quality.predictions import Predictions
from precondbench.quality.protocol import MAXITER, RTOL, Outcome, ScoringSystem
from precondbench.quality.row import Row
from precondbench.quality.scoring import PreparedPair

__all__ = [
    "MAXITER",
    "RTOL",
    "Evaluation",
    "FarResponse",
    "GeneralSystem",
    "HopLadder",
    "KCondition",
    "LUHopLadder",
    "LUPair",
    "LocalityProfile",
    "Outcome",
    "PCGResult",
    "Pair",
    "PairSource",
    "Predictions",
    "PreparedLUPair",
    "PreparedPair",
    "Row",
    "ScoringSystem",
    "Status",
    "cosine",
    "evaluate",
    "evaluate_many",
    "far_response",
    "gmres",
    "is_tridiagonal",
    "k_condition",
    "khop_lu_values",
    "khop_values",
    "locality_profile",
    "lu_methods",
    "one_minus_cosine",
    "pcg",
    "profile_of_factors",
]
