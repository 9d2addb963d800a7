"""Inv k."""
