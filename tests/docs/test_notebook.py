"""The notebooks run from top to bottom, and are committed with the outputs of a run."""

import re

import pytest

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")
notebooks = pytest.importorskip("make_notebooks", reason="docs are not installed")

NUMBER = re.compile(r"[-+]?\d[\d.,]*(?:e[-+]?\d+)?")


def said(notebook):
    """What the cells print, without numbers and the width they take, and which draw."""
    return [
        (
            [NUMBER.sub("", o.text).split() for o in cell.outputs if o.output_type == "stream"],
            any("image/png" in output.get("data", {}) for output in cell.outputs),
        )
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def test_there_are_two():
    assert [path.stem for path in notebooks.NOTEBOOKS] == ["solvers", "tutorial"]


# Inside ipykernel and its sockets, nothing of ours.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("path", notebooks.NOTEBOOKS, ids=lambda path: path.stem)
def test_it_says_what_a_run_says(path, tmp_path, monkeypatch):
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    committed = said(nbformat.read(path, as_version=4))
    assert said(notebooks.executed(path, tmp_path)) == committed
    assert any(draws for _, draws in committed)
    assert sum(bool(words) for words, _ in committed) >= 3
