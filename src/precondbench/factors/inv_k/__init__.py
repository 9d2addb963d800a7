"""Inv-K: columns from the selected inverse, or from patches of the graph."""
