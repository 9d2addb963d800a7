"""``precondbench doctor``: a report on this installation, for its user and for bug reports."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from precondbench.cli.options import AsJson, Root
from precondbench.cli.output import CHECK_FAILED, failing_clearly, print_json, print_table, say

__all__ = ["doctor"]


def doctor(
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Factor two matrices and compare digests.")
    ] = True,
    root: Root = None,
    json: AsJson = False,
) -> None:
    """Report versions, machine and data, and say what is wrong with this installation.

    Put the output into a bug report. Exits with 1 if something needs attention.
    """
    with failing_clearly():
        from precondbench.doctor import examine

        findings = examine(root, check=check)
        wrong = [finding for finding in findings if finding.problem]
        if json:
            print_json([asdict(finding) for finding in findings])
        else:
            print_table(
                "This installation",
                ("", "", "found"),
                [(f.subject, f.name, f.value) for f in findings],
            )
            for finding in wrong:
                say(f"{finding.name}: {finding.problem}")
            say("Something needs attention." if wrong else "Nothing is wrong.")
        if wrong:
            raise typer.Exit(CHECK_FAILED)
