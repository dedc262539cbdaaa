"""Steps are timed and displayed: live on a terminal, as plain lines elsewhere."""

import io
import re
import threading
import time

import pytest

from fruits import progress
from fruits.progress import Progress, Silent


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_POLL_S", 0.005)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    return Terminal()


def words(stream: io.StringIO) -> str:
    """The text written to a stream, without escape sequences."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())


class Count:
    """A photo counter that can wait until the step has polled it a few times."""

    def __init__(self, value: int) -> None:
        self.value, self.asked, self.enough = value, 0, threading.Event()

    def __call__(self) -> int:
        self.asked += 1
        if self.asked > 3:
            self.enough.set()
        return self.value

    def wait(self) -> None:
        assert self.enough.wait(20)


# Seconds -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Progress, Silent])
@pytest.mark.parametrize("make", [io.StringIO, Terminal])
def test_seconds_of_each_step_are_recorded(kind: type[Progress], make: type[io.StringIO]) -> None:
    shown = kind(make())
    with shown.step("list"):
        time.sleep(0.05)
    with shown.step("featurize", 10, lambda: 5):
        pass
    assert list(shown.seconds) == ["list", "featurize"]
    assert 0.05 <= shown.seconds["list"] < 5
    assert 0 <= shown.seconds["featurize"] < 5


def test_seconds_of_a_repeated_step_add_up() -> None:
    shown = Silent()
    for _ in range(2):
        with shown.step("csv"):
            time.sleep(0.03)
    assert 0.06 <= shown.seconds["csv"] < 5


@pytest.mark.parametrize("kind", [Progress, Silent])
@pytest.mark.parametrize("make", [io.StringIO, Terminal])
def test_a_step_that_fails_is_timed_and_its_error_is_raised(
    kind: type[Progress], make: type[io.StringIO]
) -> None:
    shown = kind(make())
    with pytest.raises(ZeroDivisionError), shown.step("list", 10, lambda: 5):
        time.sleep(0.02)
        raise ZeroDivisionError
    assert 0.02 <= shown.seconds["list"] < 5
    assert "progress" not in [thread.name for thread in threading.enumerate()]


# Plain lines ---------------------------------------------------------------------------------


def test_without_a_terminal_a_step_prints_two_lines() -> None:
    stream = io.StringIO()
    shown = Progress(stream)
    with shown.step("list"):
        pass
    with shown.step("featurize", 12, lambda: 0):
        pass
    shown.say("12 photos")
    assert re.sub(r"\d+\.\d s", "0.0 s", stream.getvalue()).splitlines() == [
        "list …",
        "list: done in 0.0 s",
        "featurize: 12 photos",
        "featurize: done in 0.0 s",
        "12 photos",
    ]


def test_plain_progress_lines_are_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_PLAIN_EVERY_S", 0)
    stream, count = io.StringIO(), Count(5)
    with Progress(stream).step("featurize", 12, count):
        count.wait()
    lines = stream.getvalue().splitlines()[1:-1]
    assert len(lines) >= 3
    for line in lines:
        assert re.fullmatch(r"featurize: 5/12, \d+ photos/s, \d+ s left", line)


def test_plain_progress_starts_immediately_and_is_rate_limited() -> None:
    stream, count = io.StringIO(), Count(5)
    with Progress(stream).step("featurize", 12, count):
        count.wait()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("featurize: 5/12, ")


def test_failed_step_is_not_reported_as_done() -> None:
    stream = io.StringIO()
    with pytest.raises(ZeroDivisionError), Progress(stream).step("list"):
        raise ZeroDivisionError
    assert stream.getvalue() == "list …\n"


# A terminal ----------------------------------------------------------------------------------


def test_on_a_terminal_a_step_is_one_live_line(terminal: Terminal) -> None:
    count = Count(5)
    with Progress(terminal).step("featurize", 12, count):
        count.wait()
        assert "featurize" in words(terminal)
        for _ in range(200):
            if " 5/12" in words(terminal):
                break
            time.sleep(0.05)
        else:
            pytest.fail(f"no live count in {words(terminal)!r}")
    last = words(terminal).rstrip().rsplit("\r", 1)[-1]
    assert last.startswith("✓ featurize")
    assert "12/12" in last
    assert "photos/s" in last
    assert words(terminal).count("\n") == 1


def test_a_step_without_a_count_is_one_line_too(terminal: Terminal) -> None:
    with Progress(terminal).step("list"):
        pass
    assert words(terminal).rstrip().rsplit("\r", 1)[-1].startswith("✓ list")
    assert words(terminal).count("\n") == 1


def test_failed_step_is_not_ticked(terminal: Terminal) -> None:
    with pytest.raises(ZeroDivisionError), Progress(terminal).step("list"):
        raise ZeroDivisionError
    assert "list" in words(terminal)
    assert "✓" not in words(terminal)


def test_silent_prints_nothing(terminal: Terminal) -> None:
    shown = Silent(terminal)
    shown.say("12 photos")
    with shown.step("featurize", 12, lambda: 5):
        pass
    assert terminal.getvalue() == ""
