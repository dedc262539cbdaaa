"""`make local-up` shows which step it is at, which services it waits for, and how long each took.

A script stands in for Docker, with the words of its builds and of `docker compose up`.
"""

import os
import pty
import re
import subprocess
from pathlib import Path

from places import ROOT

SCRIPT = ROOT / "compose" / "local.sh"
_DOCKER = """#!/bin/bash
say() { for name in "${@:2}"; do echo " Container fruits-$name  $1"; done; }
case "$*" in
    *MemTotal*) echo 16000000000 ;;
    *DockerRootDir*) echo /nowhere ;;
    *"build "*"fruits/$BROKEN:"*) echo "no such package"; exit 1 ;;
    *"build "*) sleep "$BUILD_S" ;;
    *"compose up"*)
        say Created object-store-1 spark-worker-1 spark-worker-2
        say Healthy object-store-1 spark-worker-1
        sleep 2
        [ -z "$SICK" ] || { echo "container fruits-spark-worker-2 is unhealthy"; exit 1; }
        say Healthy spark-worker-2 ;;
    *"hub-user list"*) echo scientist ;;
esac
"""


def _environ(tmp_path: Path, **more: str) -> dict[str, str]:
    (tmp_path / "docker").write_text(_DOCKER)
    (tmp_path / "docker").chmod(0o755)
    return {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "SECRETS": str(tmp_path / "secrets"),
        "TAG": "test",
        "TERM": "xterm",
        "BROKEN": "none",
        "SICK": "",
        "BUILD_S": "0.1",
        **more,
    }


def _lines(tmp_path: Path, verb: str, **more: str) -> tuple[list[str], str]:
    """What `verb` prints to a file: lines of output, and messages."""
    done = subprocess.run(
        [SCRIPT, verb],
        env=_environ(tmp_path, **more),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return [re.sub(" +", " ", line) for line in done.stdout.splitlines()], done.stderr


def _screen(tmp_path: Path, verb: str, **more: str) -> str:
    """What `verb` prints to a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [SCRIPT, verb], env=_environ(tmp_path, **more), stdout=theirs, stderr=theirs
    ) as running:
        os.close(theirs)
        shown = b""
        try:
            while data := os.read(ours, 65536):
                shown += data
        except OSError:  # the terminal is closed when all who write to it have ended
            pass
        running.wait(60)
    os.close(ours)
    return re.sub(" +", " ", shown.decode())


def test_each_image_is_a_numbered_step_with_its_time(tmp_path: Path) -> None:
    lines, _ = _lines(tmp_path, "images", BUILD_S="1.1")
    images = "object-store build-uv build-keras base spark-master spark-worker jupyterhub"
    for number, image in enumerate(images.split(), 1):
        begins = lines.index(f"[{number}/7] fruits/{image}:test …")
        (ends,) = (
            i
            for i, line in enumerate(lines)
            if re.fullmatch(rf"\[{number}/7\] fruits/{image}:test [1-9]\d* s", line)
        )
        assert begins < ends
    assert not any("\r" in line or "\x1b" in line for line in lines)


def test_a_terminal_shows_all_that_is_running_and_for_how_long(tmp_path: Path) -> None:
    screen = _screen(tmp_path, "images", BUILD_S="1.3")
    seconds = r"[1-9]\d* s"
    running = rf"\r\x1b\[K\[1/7\] fruits/object-store:test … {seconds}, \[2/7\] fruits/bu"
    assert re.search(running, screen)
    assert re.search(rf"\r\x1b\[K\[7/7\] fruits/jupyterhub:test {seconds}\r\n", screen)


def test_a_broken_image_is_named(tmp_path: Path) -> None:
    for broken in ("build-keras", "object-store"):
        _, messages = _lines(tmp_path, "images", BROKEN=broken)
        assert "no such package" in messages
        assert f"The image fruits/{broken} could not be built" in messages.splitlines()[-1]


def test_each_service_is_said_to_be_healthy_when_all_its_containers_are(tmp_path: Path) -> None:
    lines, _ = _lines(tmp_path, "up")
    first, second, last = lines[1:4]
    assert lines[0] == "Starting the cluster …"
    assert re.fullmatch(r" object-store is healthy [01] s", first)
    assert re.fullmatch(r" spark-worker is healthy [2-9] s", second)
    assert re.fullmatch(r"The cluster is healthy [2-9] s", last)


def test_a_terminal_shows_what_is_waited_for(tmp_path: Path) -> None:
    assert re.search(r"\r\x1b\[KWaiting for spark-worker … [1-9] s", _screen(tmp_path, "up"))


def test_a_sick_service_ends_the_waiting(tmp_path: Path) -> None:
    lines, messages = _lines(tmp_path, "up", SICK="yes")
    assert "Some services did not become healthy" in messages
    assert not any("spark-worker is healthy" in line for line in lines)


def test_nothing_keeps_running_after_an_error(tmp_path: Path) -> None:
    """The terminal is closed as soon as all that write to it have ended."""
    screen = _screen(tmp_path, "images", BROKEN="build-uv")
    *_, message, rest = screen.split("\r\n")
    assert message.startswith("The image fruits/build-uv could not be built")
    assert rest == "\r\x1b[K"
