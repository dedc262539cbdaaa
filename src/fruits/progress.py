"""Progress display: one line per step."""

import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from fruits.terminal import printable

_POLL_S = 0.25
_PLAIN_EVERY_S = 10  # interval between lines of a step if the output is not a terminal


class Progress:
    """Shows and times the steps of a run.

    On a terminal, each step has a live line (photos done, photos per second, time left); elsewhere,
    plain lines are printed periodically. `seconds` holds the duration of each step.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = sys.stderr if stream is None else stream
        self.seconds: dict[str, float] = {}

    def say(self, line: str) -> None:
        """Prints a permanent line."""
        print(printable(line), file=self.stream, flush=True)

    @contextmanager
    def step(
        self, name: str, total: int | None = None, done: Callable[[], int] | None = None
    ) -> Iterator[None]:
        """Times and shows a step; `done` returns how many of the `total` photos are finished."""
        start = time.perf_counter()
        try:
            with self._shown(name, total, done):
                yield
        finally:
            taken = time.perf_counter() - start
            self.seconds[name] = round(self.seconds.get(name, 0) + taken, 3)

    @contextmanager
    def _shown(
        self, name: str, total: int | None, done: Callable[[], int] | None
    ) -> Iterator[None]:
        show = self._live if self.stream.isatty() else self._plain
        with show(name, total) as update:
            stop = threading.Event()

            def poll() -> None:
                while done and not stop.wait(_POLL_S):
                    update(done())

            poller = threading.Thread(target=poll, name="progress", daemon=True)
            poller.start()
            try:
                yield
                if total:
                    stop.set()
                    poller.join()
                    update(total)
            finally:
                stop.set()
                poller.join()

    @contextmanager
    def _live(self, name: str, total: int | None) -> Iterator[Callable[[int], None]]:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            ProgressColumn,
            SpinnerColumn,
            Task,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bars
        from rich.text import Text

        class PhotosASecond(ProgressColumn):
            def render(self, task: Task) -> Text:
                speed = task.finished_speed or task.speed
                return Text(f"{speed:.0f} photos/s" if speed else "")

        columns: list[ProgressColumn] = [
            SpinnerColumn(finished_text="✓"),
            TextColumn(f"{name:<10}"),
        ]
        if total:
            columns += [BarColumn(), MofNCompleteColumn(), PhotosASecond(), TimeRemainingColumn()]
        with Bars(*columns, TimeElapsedColumn(), console=Console(file=self.stream)) as bars:
            task = bars.add_task(name, total=total or 1)
            yield lambda count: bars.update(task, completed=count)
            bars.update(task, completed=total or 1)

    @contextmanager
    def _plain(self, name: str, total: int | None) -> Iterator[Callable[[int], None]]:
        start = time.perf_counter()
        last = -math.inf  # the first line is printed as soon as some photos are done
        self.say(f"{name}: {total} photos" if total else f"{name} …")

        def update(count: int) -> None:
            nonlocal last
            now = time.perf_counter()
            if total and 0 < count < total and now - last >= _PLAIN_EVERY_S:
                last = now
                speed = count / (now - start)
                left = (total - count) / speed
                self.say(f"{name}: {count}/{total}, {speed:.0f} photos/s, {left:.0f} s left")

        yield update
        self.say(f"{name}: done in {time.perf_counter() - start:.1f} s")


class Silent(Progress):
    """Times the steps without showing them."""

    def say(self, line: str) -> None:
        pass

    @contextmanager
    def _shown(
        self, name: str, total: int | None, done: Callable[[], int] | None
    ) -> Iterator[None]:
        yield
