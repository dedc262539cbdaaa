"""Progress display: times the steps of a run, and shows each where the output goes."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TextIO

from fruits.errors import FruitsError
from fruits.progress.count import Count
from fruits.progress.displays import Show, display_for
from fruits.progress.pace import Pace, State
from fruits.terminal import printable

_POLL_S = 0.25


class Progress:
    """Shows and times the steps of a run.

    Each step has a live line on a terminal and a bar in a notebook (how much is done, the speed,
    the time left); elsewhere, plain lines are printed periodically. `seconds` holds the duration of
    each step.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = sys.stderr if stream is None else stream
        self.seconds: dict[str, float] = {}

    def say(self, line: str) -> None:
        """Prints a permanent line."""
        print(printable(line), file=self.stream, flush=True)

    @contextmanager
    def step(self, name: str, total: int | None = None, unit: str = "photos") -> Iterator[Count]:
        """Times and shows a step; the block counts what is done of the total, if it can."""
        count = Count(total, unit)
        start = time.perf_counter()
        try:
            with self._shown(name, count):
                yield count
        finally:
            taken = time.perf_counter() - start
            self.seconds[name] = round(self.seconds.get(name, 0) + taken, 3)

    @contextmanager
    def _shown(self, name: str, count: Count) -> Iterator[None]:
        total, unit = count.part.total, count.part.unit
        with display_for(self.stream)(State(name, 0, total, unit, 0)) as show:
            stop = threading.Event()
            poller = threading.Thread(
                target=_poll, args=(name, total, count, show, stop), name="progress", daemon=True
            )
            poller.start()
            try:
                yield
            finally:
                stop.set()
                poller.join()


class Silent(Progress):
    """Times the steps without showing them."""

    def say(self, line: str) -> None:
        pass

    @contextmanager
    def _shown(self, name: str, count: Count) -> Iterator[None]:
        yield


def _poll(name: str, total: int | None, count: Count, show: Show, stop: threading.Event) -> None:
    """Shows the state of a step until it is stopped, and then its last one.

    Speed and time left are those of steps whose total is known from the start: of others, nobody
    knows what follows the part that is being counted.
    """
    start = time.perf_counter()
    part, began, pace = count.part, start, Pace()
    while True:
        last = stop.wait(_POLL_S)
        now = time.perf_counter()
        if count.part is not part:
            part, began, pace = count.part, now, Pace()
        done, work = part.read()
        pace.update(now - began, done, work)
        state = State(name, done, part.total, part.unit, now - start)
        if total and total == part.total and (speed := pace.speed(now - began)):
            left_s = ((part.work or total) - work) / speed[1]
            state = replace(state, speed=speed[0], left_s=left_s)
        with suppress(OSError, ValueError, FruitsError):  # the step will meet a closed stream, too
            show(state)
        if last:
            return
