"""Entries that are run: packed code, in a confined process of its own."""
