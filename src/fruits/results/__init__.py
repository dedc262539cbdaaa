"""A results folder: its manifest, its tables, its CSV."""

from fruits.results.store import open_results

__all__ = ["open_results"]
