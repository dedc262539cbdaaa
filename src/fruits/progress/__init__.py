"""What a run says while it works: one line or bar per step, with a count and the time left."""

from fruits.progress.count import Count
from fruits.progress.steps import Progress, Silent

__all__ = ["Count", "Progress", "Silent"]
