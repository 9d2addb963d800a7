"""The structure of the library: modules, imports, doors."""

import ast
from pathlib import Path

import precondbench

ROOT = Path(precondbench.__file__).parent
# Each imports from those before it (docs/architecture.md).
ORDER = [
    "errors", "_internal", "matrices", "factors", "solvers", "quality", "shards", "recipes",
    "datasets", "baselines", "leaderboard", "cli",
]  # fmt: skip
PACKAGES = ORDER[1:]
TORCH_FREE = ORDER[: ORDER.index("datasets")]
PRIVATE = "# Between the packages of this library"


def modules():
    """Return every module but doors and ``__main__``, as {dotted name: path}."""
    return {
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts): path
        for path in sorted(ROOT.rglob("*.py"))
        if path.name not in ("__init__.py", "__main__.py")
    }


def package_of(name):
    return name.split(".")[1]


def door(package, public_only=False):
    """Return what a package exports, as {name: module}."""
    text = (ROOT / package / "__init__.pyi").read_text(encoding="utf-8")
    if public_only:
        text = text.partition(PRIVATE)[0]
    return {
        alias.name: f"precondbench.{package}.{node.module}"
        for node in ast.parse(text).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def public(package):
    """Return the names that users may rely on."""
    return [] if package.startswith("_") else sorted(door(package, public_only=True))


def imports(path, top_level_only=False):
    """Yield (module, names) of each import of this library."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body if top_level_only else ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module, [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
