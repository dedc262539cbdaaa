"""The speed of a step, and the time that its rest takes.

Runs begin slowly (processes start, models are loaded) and change their speed (photos of another
size, executors that join), so both are taken from the last half of the time in which something
was done.
"""

from bisect import bisect_right
from dataclasses import dataclass
from operator import itemgetter

_WINDOW_S = 5
"""Minimum time to measure the speed over, once so much has passed."""
_FIRST_S = 1.5
"""Minimum time after the first change, before which nothing is said."""
_FEW = 4
"""With fewer changes than this, the speed is that since the beginning."""
_SAMPLES = 1_024  # maximum number kept


@dataclass(frozen=True)
class State:
    """What a display shows of a step."""

    name: str
    done: int
    total: int | None  # None: unknown, or nothing is counted
    unit: str
    elapsed_s: float
    speed: float | None = None  # units per second; None: not known yet
    left_s: float | None = None  # None: not known yet

    @property
    def counted(self) -> str:
        """Such as `12/40 files`; empty if nothing is counted."""
        if self.total:
            return f"{self.done}/{self.total} {self.unit}"
        return f"{self.done} {self.unit}" if self.done else ""

    @property
    def pace(self) -> str:
        """Such as `93 photos/s`."""
        if not self.speed:
            return ""
        digits = 0 if self.speed >= 10 else 1
        return f"{self.speed:.{digits}f} {self.unit.partition(' ')[0]}/s"

    @property
    def left(self) -> str:
        """Such as `12 s left`."""
        return "" if self.left_s is None else f"{duration(self.left_s)} left"

    def parts(self) -> list[str]:
        """What is known: count, speed and time left."""
        return [part for part in (self.counted, self.pace, self.left) if part]


class Pace:
    """Measures the speed of one part of a step; times are in seconds since the part began."""

    def __init__(self) -> None:
        self._samples: list[tuple[float, int, float]] = []  # time, done, work: at each change

    def update(self, time_s: float, done: int, work: float) -> None:
        """Notes how much is done at a time."""
        if work > (self._samples[-1][2] if self._samples else 0):
            self._samples.append((time_s, done, work))
            if len(self._samples) > _SAMPLES:
                del self._samples[1:-1:2]

    def speed(self, time_s: float) -> tuple[float, float] | None:
        """Units and work per second, lately; None: it is too early to say."""
        if not self._samples or time_s - (first := self._samples[0][0]) < _FIRST_S:
            return None
        last = self._samples[-1]
        since, done, work = 0.0, 0, 0.0
        if len(self._samples) >= _FEW:
            start = time_s - max(_WINDOW_S, (time_s - first) / 2)
            place = bisect_right(self._samples, start, key=itemgetter(0))
            since, done, work = self._samples[max(0, place - 1)]
        if last[2] <= work:
            return None
        return (last[1] - done) / (time_s - since), (last[2] - work) / (time_s - since)


def duration(seconds: float) -> str:
    """A rounded duration, such as `12 s`, `4 min` or `2 h 10 min`."""
    if seconds < 99.5:
        return f"{max(seconds, 0):.0f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
