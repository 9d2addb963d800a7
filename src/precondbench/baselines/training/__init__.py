"""Training of models: one run, several seeds, grids."""
