"""A -> L: orders, sparse Cholesky, selected inversion, Inv-K, IC(0), ILU(0), k-hop oracles."""

from precondbench.factors.condition import condition_estimate
from precondbench.factors.cost import Cost, estimate_cost, plan_elimination
from precondbench.factors.fill import level_of_fill, power_pattern
from precondbench.factors.fsai import fsai
from precondbench.factors.ic0 import ic0, ic0_values
from precondbench.factors.ict import ict, incomplete_cholesky
from precondbench.factors.ilu import gauss_seidel_lu, ilu0, ilu0_values, jacobi_lu
from precondbench.factors.invk import InvKReport, invk, invk_report, scale_symmetrically
from precondbench.factors.invk_columns import column_quadratic_forms, invk_values
from precondbench.factors.khop import khop_factor
from precondbench.factors.khop_lu import khop_lu
from precondbench.factors.local_invk import local_invk
from precondbench.factors.lu_pattern import LUPattern, lu_pattern
from precondbench.factors.ordering import minimum_degree, reverse_cuthill_mckee
from precondbench.factors.pattern import LowerPattern, lower_pattern, lower_values
from precondbench.factors.plan import InversionPlan, plan_inversion
from precondbench.factors.selected_inverse import SelectedInverse, selected_inverse
from precondbench.factors.shifted import shifted_ic0
from precondbench.factors.trace_form import TraceForm, trace_form

__all__ = [
    "Cost",
    "InvKReport",
    "InversionPlan",
    "LUPattern",
    "LowerPattern",
    "SelectedInverse",
    "TraceForm",
    "column_quadratic_forms",
    "condition_estimate",
    "estimate_cost",
    "fsai",
    "gauss_seidel_lu",
    "ic0",
    "ic0_values",
    "ict",
    "ilu0",
    "ilu0_values",
    "incomplete_cholesky",
    "invk",
    "invk_report",
    "invk_values",
    "jacobi_lu",
    "khop_factor",
    "khop_lu",
    "level_of_fill",
    "local_invk",
    "lower_pattern",
    "lower_values",
    "lu_pattern",
    "minimum_degree",
    "plan_elimination",
    "plan_inversion",
    "power_pattern",
    "reverse_cuthill_mckee",
    "scale_symmetrically",
    "selected_inverse",
    "shifted_ic0",
    "trace_form",
]
