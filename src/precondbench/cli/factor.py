"""``precondbench factor``: factors of one matrix, compared and written."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from precondbench.cli.output import AsJson, print_json, print_table, say


class Method(StrEnum):
    """Factorisations of the command line, by the names of labels."""

    INVK = "invk"
    IC0 = "ic0"


def factor(
    matrix: Annotated[Path, typer.Argument(help="A .mtx, .mtx.gz or .npz file.")],
    method: Annotated[Method, typer.Option(help="Which factor to make.")] = Method.INVK,
    out: Annotated[Path | None, typer.Option(help="Write L to this .mtx or .npz file.")] = None,
    json: AsJson = False,
) -> None:
    """Factor a matrix and compare Inv-K with IC(0) for PCG.

    Solves by the scoring protocol: scaled system, right-hand side from the matrix's digest,
    relative residual 1e-8, at most 10,000 iterations. ``--out`` writes the factor that was
    compared.
    """
    from precondbench.factors import LowerPattern, ic0, invk
    from precondbench.matrices import read_matrix, write_matrix
    from precondbench.recipes import factor_matrix

    if out is not None and out.suffix not in {".mtx", ".npz"}:
        raise typer.BadParameter("write to a .mtx or .npz file", param_hint="--out")
    A = read_matrix(matrix)
    result = factor_matrix(matrix.name, A)
    values = result.tried.labels[method] if result.tried is not None else None
    if result.tried is not None and values is not None:
        L = LowerPattern(result.tried.indptr, result.tried.indices).csr(values)
    else:  # Nothing was compared, or IC(0) broke down, which ic0 reports as an error.
        L = invk(A) if method is Method.INVK else ic0(A)
    if out is not None:
        write_matrix(out, L)
    facts = result.facts
    if json:
        print_json(
            {
                "matrix": str(matrix),
                "n": A.shape[0],
                "nnz": A.nnz,
                "nnz_factor": L.nnz,
                "method": str(method),
                "out": str(out) if out else None,
                "outcome": result.outcome,
                "detail": result.detail,
                "facts": facts,
            }
        )
        return
    say(f"{matrix.name}: n = {A.shape[0]}, nnz = {A.nnz}, factor has {L.nnz} entries")
    if facts:
        rows = [
            (
                label,
                facts[f"iterations_{key}"] if facts[f"iterations_{key}"] != -1 else None,
                facts[f"status_{key}"],
                facts.get(f"n_log_k_{key}"),
            )
            for key, label in (
                ("none", "none"),
                ("jacobi", "Jacobi"),
                ("ic0", "IC(0)"),
                ("invk", "Inv-K"),
            )
        ]
        print_table("PCG to 1e-8", ("preconditioner", "iterations", "status", "n log K"), rows)
        if facts["breakdown_column"] != -1:
            say(f"IC(0) broke down at column {facts['breakdown_column']} (counted from 0)")
    else:
        say(f"not compared: {result.outcome} ({result.detail})")
    if out is not None:
        say(f"wrote {method} factor to {out}")
