"""Steps are timed and displayed: live on a terminal, as plain lines elsewhere."""

import io
import os
import pty
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fruits.progress import Count, Progress, Silent, displays, steps


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_POLL_S", 0.005)


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


def asked_often(count: Count, *, done: int = 5, total: int | None = 12) -> None:
    """Counts, and waits until the display has asked for it a few times."""
    asked = [0]
    enough = threading.Event()

    def source() -> tuple[int, float]:
        asked[0] += 1
        if asked[0] > 3:
            enough.set()
        return done, done

    count.begin(total, "photos", source=source)
    assert enough.wait(20)


def wait_for(text: str, stream: io.StringIO) -> None:
    for _ in range(400):
        if text in words(stream):
            return
        time.sleep(0.05)
    pytest.fail(f"no {text!r} in {words(stream)!r}")


# Seconds -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Progress, Silent])
@pytest.mark.parametrize("make", [io.StringIO, Terminal])
def test_seconds_of_each_step_are_recorded(kind: type[Progress], make: type[io.StringIO]) -> None:
    shown = kind(make())
    with shown.step("list"):
        time.sleep(0.05)
    with shown.step("featurize", 10) as count:
        count.add(5)
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
    with pytest.raises(ZeroDivisionError), shown.step("list", 10) as count:
        count.add(5)
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
    with shown.step("featurize", 12):
        pass
    shown.say("12 photos")
    assert re.sub(r"\d+\.\d s", "0.0 s", stream.getvalue()).splitlines() == [
        "list …",
        "list: done in 0.0 s",
        "featurize: 12 photos",
        "featurize: done in 0.0 s",
        "12 photos",
    ]


def test_plain_lines_are_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(displays, "_PLAIN_EVERY_S", 0)
    stream = io.StringIO()
    with Progress(stream).step("featurize", 12) as count:
        asked_often(count)
        time.sleep(2)
    lines = stream.getvalue().splitlines()[1:-1]
    assert len(lines) >= 3
    for line in lines:
        assert re.fullmatch(
            r"featurize: 5/12 photos(, \d+(\.\d)? photos/s, \d+ s left)?", line
        ) or re.fullmatch(r"featurize: 0/12 photos", line)
    assert lines[-1].endswith(" s left")


def test_plain_lines_start_immediately_and_are_rate_limited() -> None:
    stream = io.StringIO()
    with Progress(stream).step("featurize", 12) as count:
        asked_often(count)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[1] == "featurize: 5/12 photos"


def test_plain_lines_of_a_step_without_a_count_say_how_long_it_took(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(displays, "_PLAIN_EVERY_S", 0.02)
    stream = io.StringIO()
    with Progress(stream).step("csv"):
        wait_for("csv: 0 s so far", stream)
    assert stream.getvalue().startswith("csv …\n")


def test_failed_step_is_not_reported_as_done() -> None:
    stream = io.StringIO()
    with pytest.raises(ZeroDivisionError), Progress(stream).step("list"):
        raise ZeroDivisionError
    assert stream.getvalue() == "list …\n"


def test_output_to_a_file_is_plain_lines(tmp_path: Path) -> None:
    code = (
        "from fruits.progress import Progress\n"
        "with Progress().step('featurize', 500) as count: count.add(10)\n"
    )
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", code], stderr=out, check=True)
    first, *counted, last = (tmp_path / "out").read_text("utf-8").splitlines()
    assert first == "featurize: 500 photos"
    assert set(counted) <= {"featurize: 10/500 photos"}
    assert re.fullmatch(r"featurize: done in \d\.\d s", last)


# A terminal ----------------------------------------------------------------------------------


def test_on_a_terminal_a_step_is_one_live_line(terminal: Terminal) -> None:
    with Progress(terminal).step("featurize", 12) as count:
        asked_often(count)
        wait_for("5/12 photos", terminal)
    last = words(terminal).rstrip().rsplit("\r", 1)[-1]
    assert last.startswith("✓ featurize")
    assert "12/12 photos" in last
    assert "photos/s" in last
    assert " left" not in last
    assert words(terminal).count("\n") == 1


def test_parts_of_a_step_follow_each_other_on_its_line(terminal: Terminal) -> None:
    with Progress(terminal).step("pca") as count:
        for unit in ("files read", "files projected"):
            count.begin(8, unit)
            count.add(3)
            wait_for(f"3/8 {unit}", terminal)
    assert words(terminal).count("\n") == 1
    assert "8/8 files projected" in words(terminal).rsplit("\r", 1)[-1]


def test_a_step_that_has_counted_all_is_not_ticked_before_it_ends(terminal: Terminal) -> None:
    with Progress(terminal).step("featurize", 12) as count:
        count.add(12)
        wait_for("12/12 photos", terminal)
        assert "✓" not in words(terminal)
    assert "✓" in words(terminal)


def test_a_step_without_a_count_is_one_line_whose_time_moves(terminal: Terminal) -> None:
    with Progress(terminal).step("list"):
        wait_for("0:00:01", terminal)
    last = words(terminal).rstrip().rsplit("\r", 1)[-1]
    assert re.fullmatch(r"✓ list +0:00:0\d\s*", last)
    assert words(terminal).count("\n") == 1


def test_a_count_without_a_total_is_shown(terminal: Terminal) -> None:
    with Progress(terminal).step("list") as count:
        count.begin(None, "photos")
        count.add(1142)
        wait_for("1142 photos", terminal)
    assert "1142 photos" in words(terminal).rstrip().rsplit("\r", 1)[-1]


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_the_live_line_fits_the_terminal(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    with Progress(terminal).step("featurize", 1_000_000) as count:
        asked_often(count, done=500_000, total=1_000_000)
        wait_for("500000/1", terminal)
        time.sleep(1.3)
    for line in re.split(r"[\r\n]", words(terminal)):
        assert len(line) <= columns


def test_failed_step_is_not_ticked(terminal: Terminal) -> None:
    with pytest.raises(ZeroDivisionError), Progress(terminal).step("list"):
        raise ZeroDivisionError
    assert "list" in words(terminal)
    assert "✓" not in words(terminal)


def test_on_a_real_terminal_a_step_is_one_live_line() -> None:
    ours, theirs = pty.openpty()
    code = (
        "import time\n"
        "from fruits.progress import Progress\n"
        "with Progress().step('featurize', 500) as count:\n"
        "    for _ in range(20): count.add(10); time.sleep(0.1)\n"
    )
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen([sys.executable, "-c", code], stderr=theirs, env=environ)
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 4096):
            shown += data
    except OSError:  # how Linux reports that the other side has closed
        pass
    assert process.wait() == 0
    text = shown.decode()
    assert len(set(re.findall(r"\d+/500 photos", text))) > 3
    assert "photos/s" in text
    assert " s left" in text
    assert "500/500 photos" in text
    assert text.count("\r") > 3


def test_silent_prints_nothing(terminal: Terminal) -> None:
    shown = Silent(terminal)
    shown.say("12 photos")
    with shown.step("featurize", 12) as count:
        count.add(5)
    assert terminal.getvalue() == ""
