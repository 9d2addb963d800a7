"""Cholesky."""
