"""A results folder: its manifest, tables and CSV."""

from fruits.results.store import open_results

__all__ = ["open_results"]
