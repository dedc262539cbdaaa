"""How much of a step is done."""

from collections.abc import Callable


class Part:
    """What is counted of a step at a time, such as its photos, or the files that it writes."""

    def __init__(
        self,
        total: int | None,
        unit: str,
        work: float | None = None,
        source: Callable[[], tuple[int, float]] | None = None,
    ) -> None:
        self.total, self.unit, self.work, self.source = total, unit, work, source
        self.added = 0

    def read(self) -> tuple[int, float]:
        """How many are done, and how much of the work, which is the same unless it was given."""
        done, work = self.source() if self.source else (self.added, float(self.added))
        if self.total is not None:
            done = min(done, self.total)
        return done, work if self.work is None else min(work, self.work)


class Count:
    """How much of a step is done: the step tells, and the display asks."""

    def __init__(self, total: int | None = None, unit: str = "photos") -> None:
        self.part = Part(total, unit)

    def begin(
        self,
        total: int | None,
        unit: str,
        work: float | None = None,
        source: Callable[[], tuple[int, float]] | None = None,
    ) -> None:
        """Begins to count something else; None is an unknown total.

        `work` is the sum of the costs of all, if they differ (in any unit). `source` returns how
        many are done and what these have cost; without it, that is what is added.
        """
        self.part = Part(total, unit, work, source)

    def add(self, done: int = 1) -> None:
        """Counts more as done; called by one thread at a time."""
        self.part.added += done
