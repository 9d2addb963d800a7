"""Layout: one-way imports through doors, readable folders and modules."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from house import ORDER, PACKAGES, ROOT, TORCH_FREE, door, imports, modules, package_of

CHECKOUT = Path(__file__).parents[1]
MODULES = modules()
MOST_MODULES = 12
MOST_LINES = 500


def ids(names):
    return {"argvalues": names, "ids": lambda name: name.removeprefix("precondbench.")}


@pytest.mark.parametrize("name", **ids(MODULES))
def test_imports_point_one_way_and_go_through_doors(name):
    """A package imports from earlier ones, and of those what their doors export."""
    package = package_of(name)
    for module, names in imports(MODULES[name]):
        parts = module.split(".")
        if parts[0] != "precondbench" or len(parts) == 1 or parts[1] == package:
            continue
        assert ORDER.index(parts[1]) < ORDER.index(package), f"{name} imports {module}"
        if parts[1] == "errors":
            continue
        assert len(parts) == 2, f"{name} imports {module} past the door of {parts[1]}"
        assert set(names) <= set(door(parts[1])), f"the door of {parts[1]} lacks {names}"


def test_the_replication_comes_through_doors():
    for path in sorted((CHECKOUT / "paper").glob("*.py")):
        for module, names in imports(path):
            parts = module.split(".")
            if parts[0] == "precondbench" and parts[1:] != ["errors"]:
                assert len(parts) == 2, f"{path.name} imports {module} past the door"
                assert set(names) <= set(door(parts[1])), f"the door of {parts[1]} lacks {names}"


def test_imports_make_no_circle():
    graph = {}
    for name, path in MODULES.items():
        found = set()
        for module, names in imports(path, top_level_only=True):
            for imported in names:
                parts = module.split(".")
                if f"{module}.{imported}" in MODULES:
                    found.add(f"{module}.{imported}")
                elif module in MODULES:
                    found.add(module)
                elif parts[0] == "precondbench" and parts[1:2] and parts[1] in PACKAGES:
                    found.add(door(parts[1]).get(imported, module))
        graph[name] = found
    assert len(list(TopologicalSorter(graph).static_order())) >= len(graph)


@pytest.mark.parametrize("name", **ids([n for n in MODULES if package_of(n) in TORCH_FREE]))
def test_no_torch_before_the_datasets(name):
    for module, _ in imports(MODULES[name]):
        assert module.split(".")[0] not in ("torch", "torch_geometric")


@pytest.mark.parametrize("package", [p for p in PACKAGES if p != "cli"])
def test_doors_export_what_is_there(package):
    """Loading is lazy: a module must not hide an exported name that it shares."""
    children = {path.stem for path in (ROOT / package).iterdir()}
    for name, module in door(package).items():
        assert name not in children
        tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
        defined = {
            node.id
            for statement in tree.body
            for node in ast.walk(statement)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        } | {getattr(node, "name", None) for node in tree.body}
        assert name in defined, f"{module} does not define {name}"


@pytest.mark.parametrize("package", [p for p in PACKAGES if p != "cli"])
def test_doors_export_nothing_that_nobody_needs(package):
    """A name is public, or another package or the replication of the paper imports it."""
    others = [path for name, path in MODULES.items() if package_of(name) != package]
    others += sorted((CHECKOUT / "paper").glob("*.py"))
    needed = {
        imported
        for path in others
        for module, names in imports(path)
        if module == f"precondbench.{package}"
        for imported in names
    }
    private = set(door(package)) - set(door(package, public_only=True))
    assert private <= needed


def test_folders_have_one_topic():
    folders = {path.parent for path in MODULES.values()}
    for folder in folders:
        count = sum(path.parent == folder for path in MODULES.values())
        assert count <= MOST_MODULES, f"{folder.relative_to(ROOT)} has {count} modules"


def test_modules_have_one_subject():
    for name, path in MODULES.items():
        assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES, name
        assert path.stem not in ("utils", "helpers", "common", "misc")


@pytest.mark.skipif(not (CHECKOUT / "benchmarks").is_dir(), reason="needs the checkout")
def test_long_files_say_why():
    """Tests, benchmarks and makers of pages: 400 lines, or a reason in the first words."""
    for folder in ("tests", "benchmarks", "docs"):
        for path in sorted((CHECKOUT / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if len(text.splitlines()) > 400:
                assert "Longer than other files: " in ast.get_docstring(ast.parse(text)), path


def test_the_commands_import_nothing_heavy():
    """What every start of the program loads: neither torch nor PyG."""
    for name, path in MODULES.items():
        if package_of(name) == "cli":
            for module, _ in imports(path, top_level_only=True):
                assert not re.match(r"torch|precondbench\.(datasets|baselines)", module), name
