"""Sparsity patterns of factors."""
