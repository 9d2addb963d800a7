"""A -> L: elimination orders, sparse Cholesky, selected inversion, Inv-K, IC(0), k-hop oracles."""

from precondbench.factors.condition import condition_estimate
from precondbench.factors.cost import Cost, estimate_cost, plan_elimination
from precondbench.factors.ic0 import ic0, ic0_values
from precondbench.factors.invk import InvKReport, invk, invk_report, scale_symmetrically
from precondbench.factors.invk_columns import column_quadratic_forms, invk_values
from precondbench.factors.khop import khop_factor
from precondbench.factors.pattern import LowerPattern, lower_pattern, lower_values
from precondbench.factors.plan import InversionPlan, plan_inversion
from precondbench.factors.selected_inverse import SelectedInverse, selected_inverse
from precondbench.factors.trace_form import TraceForm, trace_form

__all__ = [
    "Cost",
    "InvKReport",
    "InversionPlan",
    "LowerPattern",
    "SelectedInverse",
    "TraceForm",
    "column_quadratic_forms",
    "condition_estimate",
    "estimate_cost",
    "ic0",
    "ic0_values",
    "invk",
    "invk_report",
    "invk_values",
    "khop_factor",
    "lower_pattern",
    "lower_values",
    "plan_elimination",
    "plan_inversion",
    "scale_symmetrically",
    "selected_inverse",
    "trace_form",
]
