"""Run the notebooks of docs/ from top to bottom, and keep their outputs.

    python docs/make_notebooks.py

Seconds, and numbers of trained networks, are those of this machine.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbclient
import nbformat

from making import DOCS

NOTEBOOKS = tuple(sorted(DOCS.glob("*.ipynb")))


def executed(path: Path, folder: str | Path) -> Any:
    """Return a notebook with the outputs of a run in ``folder``."""
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook,
        timeout=300,
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        coalesce_streams=True,
    )
    manager = client.create_kernel_manager()
    # The kernel of this interpreter, not of whatever kernelspec is installed.
    manager.kernel_cmd = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    client.execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            # Warnings are about this machine, and name its folders.
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]
    return notebook


def main() -> None:
    """Run all of them."""
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    for path in NOTEBOOKS:
        with tempfile.TemporaryDirectory() as folder:
            notebook = executed(path, folder)
        # Nothing of this machine.
        notebook.metadata["language_info"] = {"name": "python"}
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
