"""Draw every figure of the paper and check every claim against stored results.

    python -m paper [--results benchmarks/results/baselines.jsonl] [--out paper-output]

The folder gets the figures as SVG and PNG, and claims.md.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from paper.claims import Claim, check_claims
from paper.figures import draw_paper_figures
from paper.numbers import twin_ceilings
from precondbench._internal import replacing
from precondbench.errors import PrecondbenchError
from precondbench.leaderboard import read_results

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results" / "baselines.jsonl"
STORED_ITERATIONS = "invk_against_ic0.json"


def claims_markdown(claims: Iterable[Claim]) -> list[str]:
    """Lines of a table of verdicts, and of the list of findings below it."""
    numbered = list(enumerate(claims, start=1))
    lines = ["| | the paper says | where | measured here |", "| ---: | --- | --- | --- |"]
    lines += [
        f"| {count} | {claim.statement} | {claim.source} | {claim.verdict} |"
        for count, claim in numbered
    ]
    lines.append("")
    return lines + [
        f"{count}. **{claim.verdict.capitalize()}.** {claim.finding}" for count, claim in numbered
    ]


def replicate(
    rows: Sequence[Mapping[str, Any]], out: Path, stored_iterations: Path, root: Path | None = None
) -> list[Claim]:
    """Write the figures and ``claims.md`` into a folder, and print what was done."""
    drawn = draw_paper_figures(rows, out, root=root, stored_iterations=stored_iterations)
    for name, reason in drawn.left_out.items():
        print(f"{name} is left out: {reason}")
    claims = check_claims(rows, twin_ceilings(rows, root))
    with replacing(out / "claims.md") as temporary:
        temporary.write_text("\n".join(claims_markdown(claims)) + "\n", encoding="utf-8")
    for verdict, count in Counter(claim.verdict for claim in claims).items():
        print(f"{count} of {len(claims)} claims: {verdict}")
    print(f"{len(drawn.files)} figures and claims.md in {out}")
    return claims


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m paper", description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS, help="file of results, .jsonl")
    parser.add_argument("--out", type=Path, default=Path("paper-output"), help="folder to write")
    parser.add_argument("--root", type=Path, help="cache folder of the data")
    options = parser.parse_args(arguments)
    try:
        rows = read_results(options.results)
        replicate(rows, options.out, options.results.with_name(STORED_ITERATIONS), options.root)
    except (PrecondbenchError, OSError) as error:
        print(f"paper: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
