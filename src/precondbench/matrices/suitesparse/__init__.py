"""Suitesparse."""
