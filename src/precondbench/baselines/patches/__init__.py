"""Networks on the patch of each column."""
