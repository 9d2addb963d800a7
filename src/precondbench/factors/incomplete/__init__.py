"""Incomplete."""
