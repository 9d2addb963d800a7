"""No block of lines stands in the library twice, neither to the letter nor with other names.

Lines are those of the code without docstrings, comments and imports, as ``ast`` writes them.
"""

import ast
from collections import defaultdict

from house import ROOT

LINES = 6
TWIN_LINES = 7
# Kernels are compiled one by one: what they share stays inline, or every call would pay for it.
ALLOWED = {
    ("factors/inverse/accuracy.py",): "the same sum over entries found in two layouts",
    ("factors/inv_k/columns.py",): "work arrays of three kernels",
    ("factors/inv_k/local.py",): "work arrays of two kernels",
}
ALLOWED_TWINS = {
    ("baselines/elimination/compensated.py", "factors/cholesky/dense.py"): "elimination of a "
    "small dense block, in two kernels",
    ("baselines/message_passing/node_models.py",): "classes around one layer of PyG each",
    ("factors/cholesky/supernodal.py", "factors/inverse/supernodal.py"): "both kernels go "
    "through the blocks below a supernode, to subtract and to multiply",
    ("factors/cholesky/extended.py", "factors/cholesky/simplicial.py"): "one algorithm on numbers "
    "of one part and of two",
    ("factors/inverse/extended.py", "factors/inverse/simplicial.py"): "the same",
    ("leaderboard/board.py",): "properties that are the mean of a column over the seeds",
}


class Nameless(ast.NodeTransformer):
    """Replace every name, argument and constant by one sign."""

    def visit_Name(self, node):
        return ast.Name("x", node.ctx)

    def visit_Constant(self, node):
        return ast.Constant(0)

    def visit_arg(self, node):
        return ast.arg("x")

    def visit_keyword(self, node):
        return ast.keyword("x", self.visit(node.value))

    def visit_Attribute(self, node):
        return ast.Attribute(self.visit(node.value), "x", node.ctx)

    def visit_JoinedStr(self, node):
        return ast.Constant(0)

    def visit_FunctionDef(self, node):
        self.generic_visit(node)
        node.name, node.returns, node.decorator_list = "x", None, []
        return node

    def visit_ClassDef(self, node):
        self.generic_visit(node)
        node.name, node.decorator_list = "x", []
        return node

    def visit_AnnAssign(self, node):
        self.generic_visit(node)
        node.annotation = ast.Name("x")
        return node


def without_words(tree):
    """Drop docstrings and imports."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
    tree.body = [n for n in tree.body if not isinstance(n, (ast.Import, ast.ImportFrom))]
    return tree


def repeated(sources, lines=LINES, shapes=False):
    """Return the files of each run of lines that stands in two places, with the run."""
    found = defaultdict(list)
    for name, text in sources.items():
        tree = without_words(ast.parse(text))
        code = ast.unparse(ast.fix_missing_locations(Nameless().visit(tree)) if shapes else tree)
        written = [line.strip() for line in code.splitlines() if line.strip()]
        for i in range(len(written) - lines + 1):
            found[tuple(written[i : i + lines])].append(name)
    return {
        tuple(sorted(set(files))): "\n".join(run)
        for run, files in found.items()
        # A run of nothing but short lines (fields of a dataclass) is no shape.
        if len(files) > 1 and (not shapes or sum(len(line) for line in run) > 10 * lines)
    }


def library():
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(ROOT.rglob("*.py"))
    }


def test_no_code_is_repeated():
    found = repeated(library())
    assert not {files: run for files, run in found.items() if files not in ALLOWED}
    assert set(ALLOWED) == set(found), "an exception that nothing needs any more"


def test_no_code_has_a_twin():
    found = repeated(library(), TWIN_LINES, shapes=True)
    assert not {files: run for files, run in found.items() if files not in ALLOWED_TWINS}
    assert set(ALLOWED_TWINS) == set(found), "an exception that nothing needs any more"


def test_repeated_code_is_found():
    body = "\n".join(f"    x{i} = a + {i}" for i in range(LINES))
    sources = {"a.py": f'def f(a):\n    "one"\n{body}', "b.py": f'def g(a):\n    "two"\n{body}'}
    assert set(repeated(sources)) == {("a.py", "b.py")}


def test_twins_are_found():
    def body(name):
        lines = (f"    {name}{i} = {name}.solve(a, {name}, {i}, 'text')" for i in range(TWIN_LINES))
        return "\n".join(lines)

    sources = {"a.py": f"def f(a, b):\n{body('b')}", "b.py": f"def g(a, cat):\n{body('cat')}"}
    assert set(repeated(sources, TWIN_LINES, shapes=True)) == {("a.py", "b.py")}
    assert not repeated(sources, TWIN_LINES)
