"""A -> L: elimination orders, sparse Cholesky, selected inversion, Inv-K, IC(0), k-hop oracles."""

from precondbench.factors.ic0 import ic0, ic0_values
from precondbench.factors.invk import column_quadratic_forms, invk, invk_values, scale_symmetrically
from precondbench.factors.khop import khop_factor
from precondbench.factors.pattern import LowerPattern, lower_pattern, lower_values
from precondbench.factors.selected_inverse import SelectedInverse, selected_inverse

__all__ = [
    "LowerPattern",
    "SelectedInverse",
    "column_quadratic_forms",
    "ic0",
    "ic0_values",
    "invk",
    "invk_values",
    "khop_factor",
    "lower_pattern",
    "lower_values",
    "scale_symmetrically",
    "selected_inverse",
]
