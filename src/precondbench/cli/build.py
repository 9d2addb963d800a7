"""``precondbench build | factor``: splits of datasets, shards of real matrices, one factor."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from precondbench.cli.output import (
    CHECK_FAILED,
    AsJson,
    Config,
    Dask,
    Dataset,
    Jobs,
    LogLevel,
    Root,
    Split,
    Version,
    command,
    group,
    log_to_stderr,
    print_cached,
    print_json,
    print_rows,
    print_table,
    progress_bar,
    say,
)

if TYPE_CHECKING:
    from precondbench.recipes import DatasetSpec, SplitPlan

_LOG = logging.getLogger("precondbench.recipes")

Source = Annotated[
    str | None, typer.Option(help="Mirror of the SuiteSparse collection, folder or URL.")
]
Out = Annotated[Path | None, typer.Option(help="Shard to write; by default in the cache.")]


class _PlainForm(TyperGroup):
    """A group with a default command: ``build DATASET`` is ``build splits DATASET``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] not in (*self.commands, *ctx.help_option_names):
            args = ["splits", *args]
        return super().parse_args(ctx, args)


app = group(
    cls=_PlainForm,
    help="Build data from recipes. 'build DATASET' is short for 'build splits DATASET'.",
    epilog="\b\nExample:\n  precondbench build synthetic-tridiag --config uniform",
)


@command(app, "build splits")
def splits(
    dataset: Dataset,
    config: Config = None,
    split: Split = None,
    version: Version = None,
    source: Source = None,
    jobs: Jobs = 1,
    dask: Dask = None,
    root: Root = None,
    json: AsJson = False,
) -> None:
    """Build splits of a dataset into the cache.

    Splits that are there or on a mirror are not built; a file that is damaged or of a newer format
    is replaced. An interrupted build continues when it is started again.
    """
    from precondbench.recipes import BuildContext, obtain_shard, two_at_once

    def obtained(plan: SplitPlan, context: BuildContext) -> tuple[SplitPlan, Path]:
        return plan, obtain_shard(*plan.names, context=context, repair=True)

    plans = _plans(dataset, version, config, split, source)
    with _context(dataset, source, root, jobs, dask) as context:
        found = two_at_once(plans, obtained, context)
    print_cached(found, json)


@command(app, "build check")
def check(
    dataset: Dataset,
    config: Config = None,
    split: Split = None,
    version: Version = None,
    source: Source = None,
    jobs: Jobs = 1,
    dask: Dask = None,
    root: Root = None,
    json: AsJson = False,
) -> None:
    """Rebuild splits in memory and compare with the manifest.

    Exits with 1 if one differs, and names the first record that does.
    """
    from precondbench.recipes import BuildContext, CheckResult, check_plan, two_at_once
    from precondbench.shards import load_manifest

    def checked(plan: SplitPlan, context: BuildContext) -> CheckResult:
        return check_plan(plan, load_manifest(), context)

    plans = _plans(dataset, version, config, split, source)
    with _context(dataset, source, root, jobs, dask) as context:
        results = two_at_once(plans, checked, context)
    keys = ("agrees", "digest", "expected", "first_difference")
    rows = [
        {"split": result.plan.path_name, **{key: getattr(result, key) for key in keys}}
        for result in results
    ]
    columns = {"split": "split", "digest": "digest", "agrees": "agrees"}
    columns["first_difference"] = "first difference"
    print_rows("Rebuilt and compared with the manifest", rows, json, columns)
    if not all(row["agrees"] for row in rows):
        raise typer.Exit(CHECK_FAILED)


@command(app, "build manifest")
def manifest(
    dataset: Dataset,
    path: Annotated[Path, typer.Argument(help="Manifest to write.")],
    config: Config = None,
    split: Split = None,
    version: Version = None,
    source: Source = None,
    jobs: Jobs = 1,
    dask: Dask = None,
    root: Root = None,
) -> None:
    """Write a manifest with new digests; for maintainers.

    A digest that is published already is never replaced.
    """
    from precondbench.recipes import updated_manifest
    from precondbench.shards import load_manifest, save_manifest

    newest = _spec(dataset, source).newest
    version = version or newest
    with _context(dataset, source, root, jobs, dask) as context:
        updated = updated_manifest(load_manifest(), dataset, version, config, split, context)
    save_manifest(updated, path)
    say(f"wrote {path}")


@command(app, "build collection")
def collection(
    max_n: Annotated[int, typer.Option(help="Largest number of rows.")],
    source: Source = None,
    jobs: Jobs = 1,
    dask: Dask = None,
    out: Out = None,
    root: Root = None,
    json: AsJson = False,
) -> None:
    """Factor all SPD matrices of a mirror up to a size."""
    from precondbench.datasets import local_shard
    from precondbench.recipes import build_collection_shard, mirror_entries

    _check_positive("max-n", max_n)
    with _context("collection", source, root, jobs, dask) as context:
        target = out or local_shard(f"max{max_n}", context.folder)
        built = build_collection_shard(mirror_entries(context, max_n), context, target)
    _print_built(*built, json)


@command(app, "build unverified")
def unverified(
    source: Source = None,
    jobs: Jobs = 1,
    dask: Dask = None,
    out: Out = None,
    root: Root = None,
    json: AsJson = False,
) -> None:
    """Factor the candidates that version 1.0 does not contain."""
    from precondbench.datasets import local_shard
    from precondbench.recipes import build_collection_shard, unverified_entries

    with _context("unverified", source, root, jobs, dask) as context:
        target = out or local_shard("unverified", context.folder)
        built = build_collection_shard(unverified_entries(), context, target)
    _print_built(*built, json)


@command(app, "build large")
def large(
    ctx: typer.Context,
    max_memory: Annotated[
        float | None,
        typer.Option(help="GB that one matrix may take; by default 90 % of what is free."),
    ] = None,
    min_n: Annotated[
        int | None, typer.Option(help="Smallest number of rows; by default 50,000.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Estimate time and memory, and stop.")
    ] = False,
    source: Source = None,
    jobs: Jobs = 1,
    dask: Dask = None,
    out: Out = None,
    root: Root = None,
    json: AsJson = False,
) -> None:
    """Factor SPD matrices that are too large for the benchmark.

    Time and memory are estimated first; a matrix that needs too much memory is left out.
    """
    from precondbench.datasets import local_shard
    from precondbench.recipes import FROM_ROWS, build_large, plan_large, planned_effort

    _check_positive("max-memory", max_memory)
    _check_positive("min-n", min_n)
    if ctx.find_root().params["log_level"] is None:
        # The cost of a large matrix is announced before work on it starts.
        log_to_stderr(LogLevel.WARNING if json else LogLevel.INFO)
    limit = None if max_memory is None else int(max_memory * 1e9)
    with _context("large", source, root, jobs, dask) as context:
        plans = plan_large(context, limit, FROM_ROWS if min_n is None else min_n, _LOG.info)
        count, seconds, most = planned_effort(plans)
        _LOG.info(
            f"{count} of {len(plans)} matrices will be factored: about {seconds / 60:,.0f} "
            f"minutes of one core, at most {most / 1e9:.2g} GB at a time"
        )
        target = out or local_shard("large", context.folder)
        built = None if dry_run else build_large(plans, context, target)
    if built is None:
        _print_plans(plans, json)
    else:
        _print_built(*built, json)


class Method(StrEnum):
    """Factorisations of the command line, by the names of labels and functions."""

    INVK = "invk"
    IC0 = "ic0"
    MIC0 = "mic0"


def factor(
    matrix: Annotated[Path, typer.Argument(help="A .mtx, .mtx.gz or .npz file.")],
    method: Annotated[Method, typer.Option(help="Which factor to make.")] = Method.INVK,
    relaxation: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Of mic0: the share of fill-in that is moved.")
    ] = 1.0,
    out: Annotated[Path | None, typer.Option(help="Write L to this .mtx or .npz file.")] = None,
    json: AsJson = False,
) -> None:
    """Factor a matrix and compare Inv-K with IC(0) for PCG, and with MIC(0) if it is chosen.

    Solves by the scoring protocol: scaled system, right-hand side from the matrix's digest,
    relative residual 1e-8, at most 10,000 iterations. ``--out`` writes the factor that was
    compared.
    """
    from precondbench.factors import LowerPattern, ic0, invk, mic0
    from precondbench.matrices import read_matrix, write_matrix
    from precondbench.quality import Pair, problem_of
    from precondbench.recipes import factor_matrix

    if out is not None and out.suffix not in {".mtx", ".npz"}:
        raise typer.BadParameter("write to a .mtx or .npz file", param_hint="--out")
    A = read_matrix(matrix)
    result = factor_matrix(matrix.name, A)
    facts = dict(result.facts)
    names = {"none": "none", "jacobi": "Jacobi", "ic0": "IC(0)", "invk": "Inv-K"}
    values = result.tried.labels.get(method) if result.tried is not None else None
    if method is Method.MIC0:
        L = mic0(A, relaxation)
        if facts:
            row = problem_of(Pair(matrix.name, A, L)).score(L)
            facts |= {"iterations_mic0": row.iterations, "status_mic0": row.status}
            if row.n_log_k is not None:
                facts["n_log_k_mic0"] = row.n_log_k
            names["mic0"] = f"MIC(0), w = {relaxation:g}"
    elif result.tried is not None and values is not None:
        L = LowerPattern(result.tried.indptr, result.tried.indices).csr(values)
    else:  # Nothing was compared, or IC(0) broke down, which ic0 reports as an error.
        L = invk(A) if method is Method.INVK else ic0(A)
    if out is not None:
        write_matrix(out, L)
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
            for key, label in names.items()
        ]
        print_table("PCG to 1e-8", ("preconditioner", "iterations", "status", "n log K"), rows)
        if facts["breakdown_column"] != -1:
            say(f"IC(0) broke down at column {facts['breakdown_column']} (counted from 0)")
    else:
        say(f"not compared: {result.outcome} ({result.detail})")
    if out is not None:
        say(f"wrote {method} factor to {out}")


@contextmanager
def _context(
    what: str, source: str | None, root: Path | None, jobs: int, dask: str | None
) -> Iterator[Any]:
    from precondbench.recipes import BuildContext, open_executor

    with open_executor(jobs, dask) as executor, progress_bar(what) as update:
        yield BuildContext(source, root, executor, update)


def _plans(
    dataset: str, version: str | None, config: str | None, split: str | None, source: str | None
) -> list[SplitPlan]:
    from precondbench.recipes import select_plans

    newest = _spec(dataset, source).newest
    return select_plans(dataset, version or newest, config, split)


def _spec(dataset: str, source: str | None) -> DatasetSpec:
    """Return what a dataset is; a mirror is refused where none is read."""
    from precondbench.recipes import dataset_spec, dataset_specs

    spec = dataset_spec(dataset)
    if source is not None and not spec.from_collection:
        names = " and ".join(spec.name for spec in dataset_specs() if spec.from_collection)
        raise typer.BadParameter(f"only {names} is built from a mirror")
    return spec


def _check_positive(option: str, number: float | None) -> None:
    from precondbench.errors import ConfigurationError

    if number is not None and not 0 < number < float("inf"):
        raise ConfigurationError(f"--{option} is {number}; give a number above 0")


def _print_plans(plans: list[Any], json: bool) -> None:
    from precondbench.recipes import planned_effort

    rows = [
        {
            "name": plan.entry.full_name,
            "n": plan.entry.rows,
            "nnz": plan.entry.nnz,
            "outcome": plan.outcome,
            "detail": plan.detail,
            "seconds": plan.forecast.seconds if plan.forecast else None,
            "bytes": plan.forecast.bytes if plan.forecast else None,
        }
        for plan in plans
    ]
    if json:
        _, seconds, most = planned_effort(plans)
        print_json({"matrices": rows, "seconds": seconds, "bytes": most})
    else:
        table = [(row["name"], f"{row['n']:,}", row["outcome"], row["detail"]) for row in rows]
        print_table("Large matrices", ("matrix", "n", "outcome", "detail"), table)


def _print_built(path: Path | None, digest: str | None, results: list[Any], json: bool) -> None:
    from precondbench.recipes import outcome_counts

    if json:
        matrices = [
            {"name": r.name, "outcome": r.outcome, "detail": r.detail, **r.facts} for r in results
        ]
        print_json({"path": str(path) if path else None, "digest": digest, "matrices": matrices})
        return
    print_table(
        "SuiteSparse matrices",
        ("matrix", "outcome", "PCG iterations and winner, or why"),
        [(r.name, r.outcome, r.detail) for r in results],
    )
    print_table("Outcomes", ("outcome", "matrices"), outcome_counts(results))
    if path:
        say(f"wrote {path}")
        say(f"content digest {digest}")
