"""Parametric families of matrices: discretisations with random coefficients, meshes and graphs."""
