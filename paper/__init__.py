"""Replication of the paper from stored results: claims, figures, numbers. Outside the wheel."""
