"""Statements of the paper and the measurements that support or contradict them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from paper.model_figures import MODELS, MODELS_OF_ALL_PAIRS
from paper.numbers import protocol_summaries
from precondbench.recipes import RELEASE_VERSION as SUITESPARSE_VERSION
from precondbench.recipes import SUITESPARSE, SYNTHETIC

# Of summarise_results, with both measures of the cosine.
Summary = Mapping[str, Any]
# Models closer than this, relative to 1 - cosine, are level regardless of their seeds.
LEVEL = 0.01


def best_depth(summaries: Sequence[Summary], model: str, rounds: set[int] | None = None) -> Summary:
    """Return the summary of a model at its best depth, the one with the largest mean cosine."""
    candidates = [
        row
        for row in summaries
        if row["model"] == model and (rounds is None or row["rounds"] in rounds)
    ]
    return max(candidates, key=lambda row: float(row["cosine_mean"]["mean"]))


def compared(
    summaries: Sequence[Summary], first: str, second: str
) -> tuple[Summary, Summary] | None:
    """Return two models, each at its best among the common depths beyond one block.

    With one block no message is passed before the edges are decoded, and all models are alike.
    """
    depths = [
        {row["rounds"] for row in summaries if row["model"] == model and row["rounds"] > 1}
        for model in (first, second)
    ]
    common = depths[0] & depths[1]
    if not common:
        return None
    return best_depth(summaries, first, common), best_depth(summaries, second, common)


def is_above(first: Summary, second: Summary) -> bool:
    """Whether every seed is better than all of the other, with 1 - cosine lower by over 1 %."""
    a, b = first["one_minus_cosine_mean"], second["one_minus_cosine_mean"]
    return bool(a["max"] < b["min"] and a["mean"] < (1 - LEVEL) * b["mean"])


def relation(first: Summary, second: Summary) -> str:
    """Return "above", "below" or "level with"."""
    if is_above(first, second):
        return "above"
    return "below" if is_above(second, first) else "level with"


def describe(row: Summary) -> str:
    """Describe a model, its training and its cosine."""
    cosine, seeds = row["cosine_mean"], len(row["seeds"])
    spread = f"{cosine['min']:.5f} to {cosine['max']:.5f}, {seeds} seeds" if seeds > 1 else "1 seed"
    blocks = "1 block" if row["rounds"] == 1 else f"{row['rounds']} blocks"
    return (
        f"{row['model']} ({blocks}, {row['max_epochs']} epochs) has a mean cosine of "
        f"{cosine['mean']:.5f} ({spread})"
    )


def times(better: Summary, worse: Summary) -> str:
    """Return the ratio of 1 - cosine of the second to that of the first in words."""
    ratio = worse["one_minus_cosine_mean"]["mean"] / better["one_minus_cosine_mean"]["mean"]
    return f"{ratio:.3g} times" if ratio >= 1.1 or ratio <= 0.9 else f"{ratio:.4f} times"


def caution(rows: Sequence[Summary]) -> str:
    """Return a sentence to append if the maximum epochs differ, else an empty string."""
    if len({row["max_epochs"] for row in rows}) == 1:
        return ""
    return " The compared models have different maximum numbers of epochs."


AGREES, IN_PART, DIFFERS = "agrees", "agrees in part", "differs"
NOT_MEASURED, NOT_COMPARABLE = "not measured yet", "not comparable"
LOW_COSINE = 0.7
PAPER_EPOCHS = 300
PROTOCOL, LATER = "Section 6.3", "Abstract of version 3"

Sets = Mapping[str, Sequence[Summary]]
Ceilings = Mapping[tuple[str, str, int], float]


@dataclass(frozen=True)
class Claim:
    """One statement of the paper with the measured result."""

    source: str
    statement: str
    verdict: str
    finding: str


def check_claims(rows: Iterable[Mapping[str, Any]], ceilings: Ceilings) -> list[Claim]:
    """Compare statements of sections 2.1 and 6.3 and of the later abstract with results.

    A model is above another if every seed is and 1 - cosine differs by more than 1 %. Two models
    are compared at the best depth of each, among the common depths beyond one block.

    Examples
    --------
    >>> from paper.claims import check_claims
    >>> {claim.verdict for claim in check_claims([], {})}
    {'not measured yet'}
    """
    rows = list(rows)
    keys = ("dataset", "version", "configuration")
    sets: dict[str, Sequence[Summary]] = {}
    for dataset, version, configuration in sorted(
        {tuple(row[key] for key in keys) for row in rows}
    ):
        summaries = [
            row
            for row in protocol_summaries(rows, dataset, version, configuration, "test")
            if row["cosine_mean"] and row["one_minus_cosine_mean"]
        ]
        if summaries:
            name = configuration if dataset == SYNTHETIC else f"{dataset} {version}"
            sets[name] = summaries
    uniform = sets.get("uniform", [])
    real = sets.get(f"{SUITESPARSE} {SUITESPARSE_VERSION}", [])
    return [
        _below_the_ceiling(sets, ceilings),
        _without_context(uniform),
        _slightly_above(uniform),
        _more_than_one_round(uniform),
        _edges_in_transformers(uniform),
        _attention_to_all(uniform),
        _real_factors(real),
        _low_cosines(sets),
        _non_locality_alone(sets),
    ]


def _below_the_ceiling(sets: Sets, ceilings: Ceilings) -> Claim:
    statement = (
        "Message passing is local, and cannot learn a map in which one entry of A changes all of L."
    )
    parts, broken = [], False
    for name, summaries in sets.items():
        bounded = [
            (row, ceilings[name, "test", row["rounds"]])
            for row in summaries
            if row["model"] in MODELS.keys() - MODELS_OF_ALL_PAIRS
            and (name, "test", row["rounds"]) in ceilings
        ]
        if bounded:
            broken = broken or any(row["cosine_mean"]["max"] > bound for row, bound in bounded)
            row, bound = max(bounded, key=lambda item: item[0]["cosine_mean"]["mean"] - item[1])
            parts.append(
                f"On {name} the proven bound is {bound:.5f} for networks of {row['rounds']} blocks "
                f"that see one row further with each block. The closest of {len(bounded)} kinds of "
                f"run: {describe(row)}."
            )
    if not parts:
        return _unmeasured("Section 2.1", statement, "message passing on sets of twins")
    return Claim("Section 2.1", statement, DIFFERS if broken else AGREES, " ".join(parts))


def _without_context(uniform: Sequence[Summary]) -> Claim:
    statement = (
        "MLPNodeModel, a feed-forward network without context, shows that the problem is not "
        "local (Figure 3): it stays below a network that passes messages."
    )
    pair = compared(uniform, "MessagePassingMLP", "MLP")
    if pair is None:
        return _unmeasured(PROTOCOL, statement, "MLP and MessagePassingMLP on uniform")
    passing, plain = pair
    cosines = [row["cosine_mean"]["mean"] for row in uniform if row["model"] == "MLP"]
    return Claim(
        PROTOCOL,
        statement,
        AGREES if is_above(passing, plain) else DIFFERS,
        f"{describe(plain)}; over all depths its mean moves by {max(cosines) - min(cosines):.1e}. "
        f"{describe(passing)}. 1 - cosine of MLP is {times(passing, plain)} as large."
        f"{caution(pair)}",
    )


def _slightly_above(uniform: Sequence[Summary]) -> Claim:
    statement = "GAT and GEN have a slightly higher final accuracy than MLPNodeModel."
    pairs = {model: compared(uniform, model, "MLP") for model in ("GATv2", "GEN")}
    measured = [pair for pair in pairs.values() if pair is not None]
    if not measured:
        return _unmeasured(PROTOCOL, statement, "MLP and GATv2 or GEN on uniform")
    higher = [is_above(*pair) for pair in measured]
    parts = [
        f"{describe(one)} and is {relation(one, plain)} MLP: {describe(plain)}; 1 - cosine of MLP "
        f"is {times(one, plain)} as large.{caution(pair)}"
        for pair in measured
        for one, plain in [pair]
    ]
    missing = [model for model, pair in pairs.items() if pair is None]
    parts += [f"{model} has not been measured." for model in missing]
    verdict = AGREES if all(higher) and not missing else IN_PART if any(higher) else DIFFERS
    return Claim(PROTOCOL, statement, verdict, " ".join(parts))


def _more_than_one_round(uniform: Sequence[Summary]) -> Claim:
    model = "MessagePassingMLP"
    statement = f"{model} produces satisfactory results with more than one round."
    depths = {row["rounds"] for row in uniform if row["model"] == model}
    if not {1} < depths:
        return _unmeasured(PROTOCOL, statement, f"{model} with one and with more blocks on uniform")
    one, more = best_depth(uniform, model, {1}), best_depth(uniform, model, depths - {1})
    solves = more["iterations_mean"]["mean"], one["iterations_mean"]["mean"]
    hops = more["effective_hops"]
    worth = "" if hops is None else f", which corresponds to a window of {hops['mean']:.1f} rows"
    return Claim(
        PROTOCOL,
        statement,
        AGREES if is_above(more, one) else DIFFERS,
        f"{describe(one)}. {describe(more)}; 1 - cosine with one block is {times(more, one)} as "
        f"large. The paper does not define satisfactory. The solver needs {solves[0]:.1f} "
        f"iterations instead of {solves[1]:.1f}{worth}, and "
        f"{more['ratio_to_target']['mean']:.1f} times as many as with the exact factor."
        f"{caution((one, more))}",
    )


def _edges_in_transformers(uniform: Sequence[Summary]) -> Claim:
    statement = (
        "GraphTransformer is above FastGraphTransformer, because its attention reads the edges."
    )
    pair = compared(uniform, "GraphTransformer", "FastGraphTransformer")
    if pair is None:
        return _unmeasured(PROTOCOL, statement, "both transformers on uniform")
    reading, fast = pair
    return Claim(
        PROTOCOL,
        statement,
        AGREES if is_above(reading, fast) else DIFFERS,
        f"{describe(reading)} and is {relation(reading, fast)} the other. {describe(fast)}; its "
        f"1 - cosine is {times(reading, fast)} as large.{caution(pair)}",
    )


def _attention_to_all(uniform: Sequence[Summary]) -> Claim:
    fast, passing = "FastGraphTransformer", "MessagePassingMLP"
    statement = f"Global all-pair attention does not let {fast} learn the correct factorization."
    pair = compared(uniform, fast, passing)
    if pair is None:
        return _unmeasured(PROTOCOL, statement, f"{fast} and {passing} on uniform")
    plain = compared(uniform, fast, "MLP")
    beside = "" if plain is None else f" It is {relation(*plain)} MLP, which has no context."
    return Claim(
        PROTOCOL,
        statement,
        AGREES if is_above(pair[1], pair[0]) else DIFFERS,
        f"{describe(pair[0])} and is {relation(*pair)} {passing}, which is local: "
        f"{describe(pair[1])}.{beside}{caution((*pair, *(plain or ())))}",
    )


def _real_factors(real: Sequence[Summary]) -> Claim:
    passing = "MessagePassingMLP"
    statement = (
        f"On K-optimal factors (Figure 4) none of the models except {passing} is above the "
        "feed-forward baseline, and that one slightly."
    )
    pairs = {model: compared(real, model, "MLP") for model in MODELS if model != "MLP"}
    measured = {model: pair for model, pair in pairs.items() if pair is not None}
    if not measured:
        return _unmeasured(PROTOCOL, statement, "MLP and another model on real matrices")
    plains = list({pair[1]["rounds"]: pair[1] for pair in measured.values()}.values())
    parts = [f"{describe(row)}." for row in plains]
    parts += [f"{describe(one)} and is {relation(one, row)} MLP." for one, row in measured.values()]
    everything = [row for pair in measured.values() for row in pair]
    epochs = max(row["max_epochs"] for row in everything)
    reason = (
        "The matrices, their split by families and the length of training are not those of the "
        f"paper: {everything[0]['matrices']} test matrices, of families that training does not "
        f"see, after at most {epochs} epochs instead of {PAPER_EPOCHS}. The results therefore "
        "neither support nor contradict the statement."
    )
    return Claim(
        PROTOCOL,
        statement,
        NOT_COMPARABLE,
        " ".join([reason, *parts]) + caution(everything),
    )


def _low_cosines(sets: Sets) -> Claim:
    statement = f"The cosine is at most {LOW_COSINE} in key cases."
    everything = [(row, name) for name, summaries in sets.items() for row in summaries]
    if not everything:
        return _unmeasured(LATER, statement, "any model")
    low = [(row, name) for row, name in everything if row["cosine_mean"]["mean"] <= LOW_COSINE]
    # A key case is a set on which at least half of the models are that low.
    key_case = any(
        2 * sum(of == name for _, of in low) >= len(summaries) for name, summaries in sets.items()
    )
    row, name = min(everything, key=lambda item: float(item[0]["cosine_mean"]["mean"]))
    return Claim(
        LATER,
        statement,
        AGREES if key_case else IN_PART if low else DIFFERS,
        f"{len(low)} of {len(everything)} kinds of run have a mean cosine of at most {LOW_COSINE} "
        f"on the test splits of {', '.join(sets)}. The lowest: {describe(row)} on {name}.",
    )


def _non_locality_alone(sets: Sets) -> Claim:
    model = "GlobalGraphTransformer"
    statement = (
        "Overcoming non-locality alone is insufficient: even a completely non-local Global Graph "
        "Transformer fails to match the reference factors."
    )
    best = {
        name: best_depth(summaries, model)
        for name, summaries in sets.items()
        if any(row["model"] == model for row in summaries)
    }
    if not best:
        return _unmeasured(LATER, statement, model)
    # Up to a tenth more iterations than with the target counts as equal.
    matched = [row for row in best.values() if row["ratio_to_target"]["mean"] <= 1.1]
    parts = [
        f"On {name} {describe(row)}, and the solver needs {row['ratio_to_target']['mean']:.1f} "
        "times the iterations of the target factor."
        for name, row in best.items()
    ]
    verdict = AGREES if not matched else DIFFERS if len(matched) == len(best) else IN_PART
    return Claim(LATER, statement, verdict, " ".join(parts))


def _unmeasured(source: str, statement: str, what: str) -> Claim:
    return Claim(source, statement, NOT_MEASURED, f"There are no results of {what}.")
