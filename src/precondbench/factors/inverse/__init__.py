"""Selected inversion: entries of A^-1 on a sparsity pattern."""
