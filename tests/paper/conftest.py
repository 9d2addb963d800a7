"""Rows of results written by hand."""

from result_rows import make_row, paper_like  # noqa: F401
