"""Incomplete factorisations: one file for each family."""
