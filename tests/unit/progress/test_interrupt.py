"""Ctrl-C clears the live line, and nothing is shown after the last line."""

import os
import pty
import signal
import subprocess
import sys

_CODE = """
import time
from fruits import signals
from fruits.progress import Progress
signals.handle()
signals.interruptible()
try:
    with Progress().step("featurize", 500) as count:
        count.add(3)
        time.sleep(60)
except KeyboardInterrupt:
    signals.leave(130)
"""


def test_an_interrupt_clears_the_live_line() -> None:
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen([sys.executable, "-c", _CODE], stderr=theirs, env=environ)
    os.close(theirs)
    shown, pressed = b"", False
    try:
        while data := os.read(ours, 4096):
            shown += data
            if b"3/500 photos" in shown and not pressed:
                process.send_signal(signal.SIGINT)
                pressed = True
    except OSError:  # how Linux reports that the other side has closed
        pass
    assert process.wait() == 130
    assert shown.endswith(b"\r\x1b[2K\x1b[?25hfruits: interrupted\r\n")
    assert shown.count(b"\n") == 1
