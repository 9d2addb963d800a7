"""No block of six lines stands in the library twice, but for those that are listed with a reason.

Lines are those of the code without docstrings, comments and imports, as ``ast`` writes them.
"""

import ast
from collections import defaultdict
from pathlib import Path

import precondbench

ROOT = Path(precondbench.__file__).parent
LINES = 6
# Kernels are compiled one by one: what they share stays inline, or every call would pay for it.
ALLOWED = {
    ("factors/inverse/accuracy.py",): "the same sum over entries found in two layouts",
    ("factors/inv_k/columns.py", "factors/inv_k/trace.py"): "work arrays of two kernels",
    ("factors/inv_k/patches.py",): "work arrays of two kernels",
    (
        "factors/patterns/full.py",
        "factors/patterns/lower.py",
        "shards/record.py",
    ): "n and nnz of three dataclasses that have nothing else in common",
}


def without_words(tree):
    """Drop docstrings, imports and ``__all__``."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
    tree.body = [
        node
        for node in tree.body
        if not isinstance(node, (ast.Import, ast.ImportFrom))
        and not (isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__")
    ]
    return tree


def blocks(sources):
    """Files of every run of lines: {lines: files}."""
    found = defaultdict(list)
    for name, text in sources.items():
        code = ast.unparse(without_words(ast.parse(text)))
        lines = [line.strip() for line in code.splitlines() if line.strip()]
        for i in range(len(lines) - LINES + 1):
            found[tuple(lines[i : i + LINES])].append(name)
    return found


def repeated(sources):
    return {
        tuple(sorted(set(files))): "\n".join(lines)
        for lines, files in blocks(sources).items()
        if len(files) > 1
    }


def test_no_code_is_repeated():
    sources = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(ROOT.rglob("*.py"))
    }
    found = repeated(sources)
    new = {files: lines for files, lines in found.items() if files not in ALLOWED}
    assert not new
    assert set(ALLOWED) == set(found), "an exception that nothing needs any more"


def test_repeated_code_is_found():
    body = "\n".join(f"    x{i} = a + {i}" for i in range(LINES))
    sources = {"a.py": f'def f(a):\n    "one"\n{body}', "b.py": f'def g(a):\n    "two"\n{body}'}
    assert set(repeated(sources)) == {("a.py", "b.py")}
