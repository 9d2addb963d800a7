"""A network that chooses a formula for each matrix."""
