"""The ``precondbench`` command."""

from precondbench.cli.program import app, main

__all__ = ["app", "main"]
