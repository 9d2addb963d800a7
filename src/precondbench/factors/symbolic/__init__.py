"""Elimination orders and symbolic Cholesky factorisation."""
