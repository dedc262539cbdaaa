"""When a cluster that nobody uses powers itself off, and in which order."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import idle_stop
import pytest
import running
from ports import free_ports, http_server

LISTENER = (1, "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups")
DRIVER = "java -Xmx1g org.apache.spark.deploy.SparkSubmit pyspark-shell"


@pytest.fixture(autouse=True)
def _own_files_and_ports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle_stop, "LAST_USED", tmp_path / "last-used")
    monkeypatch.setattr(idle_stop, "IN_USE", tmp_path / "in-use")
    monkeypatch.setattr(idle_stop, "HOME", tmp_path)
    monkeypatch.setattr(idle_stop, "WORKERS_STOP_S", (1, 600))
    for name, port in zip(("PORT", "SSH_PORT"), free_ports(2), strict=True):
        monkeypatch.setattr(idle_stop, name, port)


@pytest.fixture
def applications(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """The applications that a stand-in for Spark's master shows; nothing else is in use."""
    monkeypatch.setattr(running, "runs_and_kernels", set)
    monkeypatch.setattr(idle_stop, "processes", dict)
    active: list[dict[str, Any]] = []

    class Master(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"activeapps": active}).encode())

    with http_server(Master) as url:
        monkeypatch.setattr(idle_stop, "MASTER", url)
        yield active


@pytest.mark.parametrize(
    ("processes", "used"),
    [
        (
            {10: LISTENER, 11: (10, "sshd-session: admin [priv]"), 12: (11, "sshd-session: admin")},
            False,
        ),
        ({10: LISTENER, 11: (10, "sshd: admin@pts/0"), 12: (11, "-bash")}, True),
        (
            {10: LISTENER, 11: (10, "sshd-session: admin@notty"), 12: (11, "/bin/sh -c python3")},
            True,
        ),
        ({20: (1, "/usr/bin/python -m ipykernel_launcher -f x.json"), 21: (20, DRIVER)}, False),
        ({20: (1, "/usr/bin/python /opt/venv/bin/fruits run a b"), 21: (20, DRIVER)}, True),
        ({20: (1, "java org.apache.spark.deploy.master.Master")}, False),
    ],
    ids=["tunnel", "shell", "command", "idle notebook", "fruits run", "services"],
)
def test_programs_and_sessions_of_ssh_are_use(
    processes: dict[int, tuple[int, str]],
    used: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(idle_stop, "processes", lambda: processes)

    assert bool(idle_stop.programs()) == used


def test_processes_are_those_of_the_machine() -> None:
    parent, line = idle_stop.processes()[os.getpid()]
    assert parent == os.getppid()
    assert "python" in line


@pytest.mark.parametrize(
    ("application", "used"),
    [
        ({"cores": 4, "state": "RUNNING"}, True),
        ({"cores": 0, "state": "WAITING"}, True),
        ({"cores": 0, "state": "RUNNING"}, False),  # of a notebook that nobody runs
    ],
)
def test_applications_with_cores_are_use(
    applications: list[dict[str, Any]],
    application: dict[str, Any],
    used: bool,
) -> None:
    assert not idle_stop.in_use()

    applications.append({"name": "fruits", "user": "ada", **application})

    assert bool(idle_stop.in_use()) == used


def test_a_deploy_is_use_for_two_hours(applications: list[dict[str, Any]]) -> None:
    for hours, used in ((1.9, True), (-0.1, False)):
        idle_stop.IN_USE.touch()
        then = time.time() + 3600 * hours
        os.utime(idle_stop.IN_USE, (then, then))
        assert bool(idle_stop.in_use()) == used


def test_a_backup_is_use(applications: list[dict[str, Any]]) -> None:
    assert not idle_stop.in_use()
    with (idle_stop.HOME / "backed-up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert idle_stop.in_use() == {"a backup"}
    assert not idle_stop.in_use()


def test_time_counts_from_the_last_use(monkeypatch: pytest.MonkeyPatch) -> None:
    used: set[str] = set()
    told: list[str] = []
    done: list[str] = []
    monkeypatch.setattr(idle_stop, "in_use", lambda: used)
    monkeypatch.setattr(idle_stop, "tell_the_hub", told.append)
    monkeypatch.setattr(idle_stop, "power_off", done.append)
    monkeypatch.setattr(idle_stop, "WORKERS_STOP_S", (0, 0))  # the clock stands still
    clock = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def after(minutes: float) -> None:
        clock[0] += 60 * minutes
        idle_stop.main("master", "fruits", "30")

    after(0)  # just booted: the time since is not known
    after(29)
    used.add("a kernel")
    after(2)
    assert told[-1] == "1800 0"
    used.clear()
    after(29)
    seconds, at = map(int, told[-1].split())
    assert (seconds, round((at - time.time()) / 60)) == (1800, 1)
    assert not done
    after(1)
    assert done == ["not used for 30 minutes"]


def test_workers_are_asked_first(applications: list[dict[str, Any]]) -> None:
    """The master's side waits until its worker, which asks it, is no longer reachable."""
    assert not idle_stop.asked_to_stop("fruits", "127.0.0.1")
    worker = socket.create_server(("127.0.0.1", idle_stop.SSH_PORT))
    with closing(worker), ThreadPoolExecutor(1) as executor:
        stopping = executor.submit(idle_stop.stop_workers, "fruits", ("127.0.0.1",))
        end = time.monotonic() + 20
        while not idle_stop.asked_to_stop("fruits", "127.0.0.1"):
            assert time.monotonic() < end
            time.sleep(0.1)
        assert not idle_stop.asked_to_stop("another cluster", "127.0.0.1")
        assert not stopping.done()
        worker.close()
        assert not stopping.result(20)
    assert not idle_stop.asked_to_stop("fruits", "127.0.0.1")


def test_who_uses_it_meanwhile_keeps_it_running(
    applications: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    told: list[str] = []
    monkeypatch.setattr(idle_stop, "power_off", done.append)
    monkeypatch.setattr(idle_stop, "tell_the_hub", told.append)
    idle_stop.LAST_USED.write_text("-9999")
    worker = socket.create_server(("127.0.0.1", idle_stop.SSH_PORT))
    with closing(worker), ThreadPoolExecutor(1) as executor:
        stopping = executor.submit(idle_stop.main, "master", "fruits", "30", "127.0.0.1")
        end = time.monotonic() + 20
        while not idle_stop.asked_to_stop("fruits", "127.0.0.1"):
            assert time.monotonic() < end
            time.sleep(0.1)
        began = time.monotonic()
        applications.append({"name": "fruits", "user": "ada", "cores": 4, "state": "RUNNING"})
        time.sleep(3)
        still = idle_stop.asked_to_stop("fruits", "127.0.0.1")
        worker.close()
        stopping.result(20)
    assert not still
    assert not done
    assert told[-1] == "1800 0"
    assert idle_stop.last_used() >= began


def test_a_worker_that_does_not_stop_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch, applications: list[dict[str, Any]]
) -> None:
    monkeypatch.setattr(idle_stop, "WORKERS_STOP_S", (0, 1))
    with closing(socket.create_server(("127.0.0.1", idle_stop.SSH_PORT))):
        began = time.monotonic()
        idle_stop.stop_workers("fruits", ("127.0.0.1",))
        assert time.monotonic() - began < 15
