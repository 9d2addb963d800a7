"""Numerical Cholesky factorisation: simplicial and supernodal."""
