"""The type of the fixture `run`."""

from collections.abc import Callable
from typing import Any

Run = Callable[..., dict[str, Any]]
"""Runs the pipeline on a test's photos, with other results or settings; returns the manifest."""
