"""The ``precondbench`` command."""

from precondbench.cli.app import app, main

__all__ = ["app", "main"]
