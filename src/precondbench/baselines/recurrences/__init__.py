"""Recurrences over the rows of a matrix."""
