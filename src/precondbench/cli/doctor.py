"""``precondbench doctor``: a report on the installation, for bug reports."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated

import typer

import precondbench
from precondbench._internal import offline
from precondbench.cli.output import CHECK_FAILED, AsJson, Root, print_json, print_table, say
from precondbench.errors import PrecondbenchError

# Space for version 1.0 of the real data and its build.
WANTED_BYTES = 2_000_000_000
MIRROR = "PRECONDBENCH_SUITESPARSE"
REPAIR = "'precondbench list' shows the state of all"


@dataclass(frozen=True)
class Finding:
    """One line of the report; ``problem`` says what is wrong and what to do, if anything."""

    subject: str
    name: str
    value: str
    problem: str = ""


def examine(root: str | os.PathLike[str] | None = None, *, check: bool = True) -> list[Finding]:
    """Examine software, machine and data; with ``check``, rebuild a small split.

    The split has two matrices. Its digest is compared with the published one, and nothing is
    left in the cache folder.
    """
    findings = [*_software(), *_machine(), *_data(root)]
    if check:
        findings.append(_reproduction())
    return findings


def _software() -> Iterator[Finding]:
    yield Finding("software", "precondbench", precondbench.__version__)
    yield Finding("software", "Python", f"{platform.python_version()} ({sys.executable})")
    try:
        requirements = metadata.requires("precondbench") or []
    except metadata.PackageNotFoundError:
        problem = "not installed, only importable: run 'pip install -e .' in the checkout"
        yield Finding("software", "installation", precondbench.__path__[0], problem)
        return
    for requirement in requirements:
        if "extra ==" not in requirement:
            yield _requirement(requirement)


def _requirement(requirement: str) -> Finding:
    match = re.match(r"([\w.-]+)\s*>=\s*([\w.]+)", requirement)
    assert match is not None, requirement
    name, least = match[1], match[2]
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding("software", name, "missing", f"run 'pip install \"{name}>={least}\"'")
    problem = ""
    if _numbers(found) < _numbers(least):
        problem = f"older than {least}: run 'pip install --upgrade {name}'"
    return Finding("software", name, found, problem)


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version, which decide about lower bounds."""
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3])


def _machine() -> Iterator[Finding]:
    from precondbench._internal import available_memory

    yield Finding("machine", "system", f"{platform.system()} {platform.machine()}")
    yield Finding("machine", "processors", str(os.cpu_count()))
    yield Finding("machine", "memory available", f"{available_memory() / 1e9:.1f} GB")

    def device() -> str:
        import torch

        if torch.cuda.is_available():
            return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"
        return "none that torch can use; models train on the CPU"

    yield _guarded("machine", "GPU", device, "reinstall torch, or training will not work")


def _data(root: str | os.PathLike[str] | None) -> Iterator[Finding]:
    from precondbench.shards import cache_root, load_manifest, mirrors

    try:
        folder = cache_root(root)
    except PrecondbenchError as error:
        yield Finding("data", "cache", "unusable", str(error))
    else:
        yield Finding("data", "cache", str(folder), _not_writable(folder))
        free = shutil.disk_usage(_existing(folder)).free
        problem = "" if free >= WANTED_BYTES else "set PRECONDBENCH_CACHE to a disk with 2 GB free"
        yield Finding("data", "disk free", f"{free / 1e9:.1f} GB", problem)
        yield _guarded("data", "cached splits", lambda: _cached(folder), REPAIR)
    yield _guarded(
        "data",
        "manifest",
        lambda: f"{len(load_manifest().datasets)} datasets",
        "reinstall precondbench",
    )
    yield Finding("data", "mirrors", ", ".join(mirrors(None)) or "none beside the manifest's")
    from precondbench.matrices import Collection

    mirror = os.environ.get(MIRROR, "")
    problem = ""
    try:
        if mirror:
            Collection(mirror)
    except PrecondbenchError as error:
        problem = f"{error}; correct {MIRROR}, or unset it"
    yield Finding("data", "SuiteSparse mirror", mirror or f"{MIRROR} is not set", problem)
    yield Finding("data", "network", "not used" if offline() else "may be used")


def _cached(folder: Path) -> str:
    """Count the splits in the cache by state; PrecondbenchError if a file is bad."""
    from precondbench.recipes import all_plans, cached_splits

    found = [split.examine() for split in cached_splits(all_plans(), folder)]
    faults = [fault for _, fault in found if fault]
    if faults:
        raise PrecondbenchError(f"{len(faults)} bad files, the first: {faults[0]}")
    counts = Counter(str(state) for state, _ in found if state)
    return ", ".join(f"{count} {state}" for state, count in counts.items()) or "none"


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _not_writable(folder: Path) -> str:
    """Describe why nothing can be written under a folder, which need not exist yet."""
    advice = "set PRECONDBENCH_CACHE to a folder that can be written"
    try:
        with TemporaryFile(dir=_existing(folder)):
            return ""
    except OSError as error:
        return f"{error.strerror}: {advice}"


def _reproduction() -> Finding:
    from precondbench.recipes import SUITESPARSE, check_plan, select_plans
    from precondbench.shards import load_manifest

    (plan,) = select_plans(SUITESPARSE, "sample", "tril", "test")

    def rebuilt() -> str:
        result = check_plan(plan, load_manifest())
        if not result.agrees:
            raise PrecondbenchError(f"digest {result.digest}, not {result.expected}")
        return f"{plan.count} matrices factored, digest as published"

    return _guarded(
        "check", "factors", rebuilt, "report this: the kernels give other numbers on this machine"
    )


def _guarded(subject: str, name: str, look: Callable[[], str], advice: str) -> Finding:
    # The rest of the report is useful whatever is broken.
    try:
        return Finding(subject, name, look())
    except Exception as error:
        return Finding(subject, name, type(error).__name__, f"{error}: {advice}")


def doctor(
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Factor two matrices and compare digests.")
    ] = True,
    root: Root = None,
    json: AsJson = False,
) -> None:
    """Report versions, machine, data and problems.

    Put the output into a bug report. Exits with 1 if something needs attention.
    """
    findings = examine(root, check=check)
    wrong = [finding for finding in findings if finding.problem]
    if json:
        print_json([asdict(finding) for finding in findings])
    else:
        print_table(
            "This installation", ("", "", "found"), [(f.subject, f.name, f.value) for f in findings]
        )
        for finding in wrong:
            say(f"{finding.name}: {finding.problem}")
        say("Something needs attention." if wrong else "Nothing is wrong.")
    if wrong:
        raise typer.Exit(CHECK_FAILED)
