"""The end of a command in unusual moments and places, without Spark."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

START = """
import os, resource, subprocess, sys, threading, time
from pathlib import Path
from fruits import signals
signals.handle()
signals.use_temporary_folder()
signals.interruptible()
"""


def started(code: str, temporary: Path, *before: str) -> "subprocess.Popen[str]":
    """A program that has printed a line, and then waits or ends."""
    process = subprocess.Popen(
        [*before, sys.executable, "-c", START + code],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Its exit code and what it printed; killed if it does not end."""
    try:
        _, printed = process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, printed


MANY_FILES = """
for number in range(20_000):
    Path(os.environ["TMPDIR"], str(number)).touch()
threading.Thread(target=time.sleep, args=(30,)).start()
print("ready", flush=True)
signals.leave(0)
"""


def test_an_interrupt_while_the_command_ends_does_not_stop_it(tmp_path: Path) -> None:
    process = started(MANY_FILES, tmp_path)
    (folder,) = tmp_path.iterdir()
    while folder.exists() and len(os.listdir(folder)) == 20_000:
        time.sleep(0.001)
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.01)
    assert ended(process) == (0, "")
    assert not folder.exists()


WAITING = """
{before}
try:
    print("ready", flush=True)
    time.sleep(30)
except KeyboardInterrupt:
    signals.leave(130)
"""
# The lowest limit: no file can be opened any more.
NO_FILES = "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_too_many_open_files_do_not_keep_a_command_from_ending(
    tmp_path: Path, number: signal.Signals
) -> None:
    process = started(WAITING.format(before=NO_FILES), tmp_path)
    process.send_signal(number)
    code, printed = ended(process)
    assert code == 128 + number
    assert printed in ("fruits: interrupted\n", "fruits: terminated\n")


def test_a_command_that_ends_by_itself_needs_no_more_files(tmp_path: Path) -> None:
    process = started(f"{NO_FILES}\nprint('ready', flush=True)\nsignals.leave(3)", tmp_path)
    assert ended(process) == (3, "")
