"""Tridiagonal."""
