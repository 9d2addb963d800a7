"""Every formula that LearnedChoice knows, by itself, on the validation matrices of all families.

    python benchmarks/formulas.py [RUN ...]

RUN are folders of its runs. Iterations are the worst of four right-hand sides, on the matrix with a
unit diagonal; what fails counts as 10,000. They are divided by hindsight best: for each matrix by
itself, the fewest of IC(0), Inv-K and MIC(0) with eight relaxations. Writes
benchmarks/results/formulas.json: geometric means by family and number of rows.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from one_model import HINDSIGHT, counted, models_of
from precondbench import ParametricInvK
from precondbench.baselines.batch import ResidentGraphs
from precondbench.baselines.choice.formulas import FORMULAS
from precondbench.baselines.choice.learned import iterations_of

RESULTS = Path(__file__).parent / "results" / "formulas.json"


def main() -> None:
    """Solve with every formula."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="*")
    options = parser.parse_args()
    models = models_of(options.runs)
    data = ParametricInvK("mixed", "val")
    graphs = ResidentGraphs(data)
    graphs.add_core(data, "tril")
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    for i, batch in enumerate(graphs.batches(1)):
        facts = data.facts(i)
        known = [counted(facts[f"iterations_{name}"]) for name in HINDSIGHT]
        best = np.log(min(known))
        logs = iterations_of(batch)[0] - best
        row = dict(zip(FORMULAS, logs.tolist(), strict=True))
        row["the best of them"] = float(logs.min())
        row["IC(0)"] = np.log(known[0]) - best
        for seed, model in models.items():
            taken = model.eval().log_iterations(batch)
            row[f"LearnedChoice, seed {seed}"] = float(taken[0]) - best
        family = re.match(r"mixed-val-(.+?)-\d{5}", data.names[i])
        assert family is not None
        found[family[1]].append(row)
    content: dict[str, Any] = {
        family: {
            name: round(float(np.exp(np.mean([row[name] for row in rows]))), 4) for name in rows[0]
        }
        for family, rows in found.items()
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
