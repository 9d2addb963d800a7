"""Imports point one way: a package may import only from those before it (docs/architecture.md)."""

import ast
from pathlib import Path

import pytest

import precondbench

ROOT = Path(precondbench.__file__).parent
CHECKOUT = Path(__file__).parents[1]
ORDER = [
    "errors", "files", "network", "strict_json", "user_code", "matrices", "factors",
    "preconditioners", "quality", "shards", "build", "datasets", "baselines", "leaderboard",
    "doctor", "cli",
]  # fmt: skip
# The decorator of kernels stands in factors; these need neither torch nor what comes later.
TORCH_FREE = ORDER[: ORDER.index("datasets")]


def modules():
    return sorted(ROOT.rglob("*.py"))


def imported(path, top_level_only=False):
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    package = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if package in ("__init__", "__main__"):
        return
    rank = ORDER.index(package)
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "precondbench" and len(parts) > 1:
            assert ORDER.index(parts[1]) <= rank, f"{path} imports {name}"


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in modules()
        if path.relative_to(ROOT).parts[0].removesuffix(".py") in TORCH_FREE
    ],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_torch_before_the_datasets(path):
    for name in imported(path):
        assert name.split(".")[0] not in ("torch", "torch_geometric"), path


@pytest.mark.skipif(not (CHECKOUT / "benchmarks").is_dir(), reason="needs the checkout")
def test_long_files_say_why():
    """Tests, benchmarks and makers of pages: 400 lines, or a reason in the first words."""
    for folder in ("tests", "benchmarks", "docs"):
        for path in sorted((CHECKOUT / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if len(text.splitlines()) > 400:
                assert "Longer than other files: " in ast.get_docstring(ast.parse(text)), path


def test_files_have_one_subject():
    """The house rule: 300 lines are normal; nothing may grow past 350, and no utils.py."""
    for path in modules():
        assert len(path.read_text().splitlines()) <= 350, path
        assert path.name != "utils.py"
