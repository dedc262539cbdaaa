"""All ports: what listens on them, and that commands are only accepted with the secret."""

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from places import ROOT

from cluster.local import Cluster, address, master_state, wait_until
from cluster.stranger import from_a_users_terminal, from_beside, from_this_machine

PLACES = [from_beside, from_this_machine, from_a_users_terminal]

# Prints the listening sockets of a container, as "INODE ADDRESS PORT COMMAND…"; the command of
# other users' processes is "?". A port of UDP that everybody can send to is shown as "PORT/udp".
_LISTENING = """
import glob, os, re, socket
owner = {}
for fd in glob.glob("/proc/[0-9]*/fd/*"):
    try:
        inode = re.fullmatch(r"socket:\\[(\\d+)\\]", os.readlink(fd))
        if inode:
            command = open(f"/proc/{fd.split('/')[2]}/cmdline").read()
            command = " ".join(command.replace("\\0", " ").split())
            owner.setdefault(inode[1], command)
    except OSError:
        pass
for name in ("tcp", "tcp6", "udp", "udp6"):
    for line in open(f"/proc/net/{name}").readlines()[1:]:
        _, local, _, state, *_, = (words := line.split())
        if state == ("07" if name[:3] == "udp" else "0A"):
            host, port = local.split(":")
            if host == "0B00007F":  # Docker's own name server, in each container
                continue
            loopback = host.endswith(("0100007F", "0" * 24 + "01000000"))
            every = not host.strip("0")
            where = "loopback" if loopback else "all" if every else "own"
            port = f"{int(port, 16)}{'/udp' if name[:3] == 'udp' else ''}"
            print(words[9], where, port, owner.get(words[9], "?"))
"""
_USERS = """
import glob, os
found = [os.stat(process) for process in glob.glob("/proc/[0-9]*")]
print(*{f"{each.st_uid}:{each.st_gid}" for each in found})
"""


def _known() -> list[dict[str, str]]:
    """The rows of docs/ports.md."""
    lines = (ROOT / "docs" / "ports.md").read_text("utf-8").splitlines()
    head, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in lines if line[:1] == "|"
    ]
    return [dict(zip(head, row, strict=True)) for row in rows]


def _listening(container: Any) -> set[tuple[str, str, str]]:
    """Listening sockets of a container: address, port and command line."""
    if container.labels["com.docker.compose.service"] == "object-store":  # it has no Python
        table = container.exec_run(["cat", "/proc/net/tcp", "/proc/net/tcp6"]).output.decode()
        ports = re.findall(r"\d+: (0+):([0-9A-F]{4}) \S+ 0A ", table)
        assert len(ports) == len(re.findall(r" 0A ", table)) - table.count("0B00007F")
        return {("all", str(int(port, 16)), "versitygw") for _, port in ports}
    sockets: dict[str, tuple[str, str, str]] = {}
    for user in container.exec_run(["python3", "-c", _USERS]).output.decode().split():
        code, out = container.exec_run(["python3", "-c", _LISTENING], user=user)
        assert code == 0, out.decode()
        for line in out.decode().splitlines():
            inode, where, port, command = line.split(" ", 3)
            if command != "?" or inode not in sockets:
                sockets[inode] = (where, port, command)
    return set(sockets.values())


def test_every_port_is_known_and_none_is_missing(cluster: Cluster, session: str) -> None:
    cluster.make("local-run")
    _wait_for_executors(cluster)
    rows, met, unknown = _known(), set(), []
    for container in cluster.containers():
        service = container.labels["com.docker.compose.service"]
        for where, port, command in _listening(container):
            fits = {
                (row["service"], row["process"], row["port"], row["listens at"])
                for row in rows
                if row["service"] == service
                and re.search(rf"(^|[/. ]){re.escape(row['process'])}( |$)", command)
                and row["port"] in (port, "any/udp" if port.endswith("/udp") else "any")
                and row["listens at"] == where
            }
            met |= fits
            if not fits:
                unknown.append(f"{service}: {where} {port} {command[-200:]}")
    assert not unknown, "\n".join(unknown)
    needed = {(r["service"], r["process"], r["port"], r["listens at"]) for r in rows}
    # A user's server only runs while the user is logged in.
    assert {row for row in needed - met if row[1] != "jupyterhub-singleuser"} == set()


def _wait_for_executors(cluster: Cluster) -> None:
    def busy() -> bool:
        return any(
            b"fruits.features.daemon"
            in worker.exec_run(["sh", "-c", "cat /proc/[0-9]*/cmdline"]).output
            for worker in cluster.containers("spark-worker")
        )

    wait_until(busy, 60, "a session has Python workers")


# Requests to the master without the secret: a REST submission, and the forms of its web page.
_ORDERS = """
import json, sys, urllib.error, urllib.parse, urllib.request
host, app, driver, worker = sys.argv[1:]
def post(port, path, data, kind):
    headers = {"Content-Type": kind}
    request = urllib.request.Request(f"http://{host}:{port}{path}", data.encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            print(port, path, answer.status)
    except urllib.error.HTTPError as error:
        print(port, path, error.code)
    except OSError as error:
        print(port, path, "refused", getattr(error, "reason", error))
submission = {
    "action": "CreateSubmissionRequest", "clientSparkVersion": "4.3.0", "appArgs": [],
    "appResource": "file:/nothing.jar", "mainClass": "none.Such", "environmentVariables": {},
    "sparkProperties": {"spark.app.name": "x", "spark.master": f"spark://{host}:6066",
        "spark.jars": "", "spark.driver.extraJavaOptions": "-XX:OnOutOfMemoryError=true"},
}
post(6066, "/v1/submissions/create", json.dumps(submission), "text/plain")  # as no-cors sends it
form = "application/x-www-form-urlencoded"
post(8080, "/app/kill/", urllib.parse.urlencode({"id": app, "terminate": "true"}), form)
post(8080, "/driver/kill/", urllib.parse.urlencode({"id": driver, "terminate": "true"}), form)
post(8080, "/workers/kill/", urllib.parse.urlencode({"host": worker}), form)
post(8081, "/", "", form)
"""


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_orders_without_the_secret_are_refused(
    cluster: Cluster, session: str, place: Callable[..., str]
) -> None:
    wait_until(lambda: bool(_sessions(cluster)), 60, "the master knows the session")
    before = master_state(cluster)
    (app,) = _sessions(cluster)
    worker = address(cluster.containers("spark-worker")[0])
    master = address(cluster.one("spark-master"))
    output = place(cluster, _ORDERS, master, app, "driver-20260101000000-0000", worker)
    lines = output.splitlines()
    assert len(lines) == 5, output
    assert re.match(r"6066 /v1/submissions/create refused .*refused", lines[0])
    # A page that accepts no commands responds to a POST as to a GET, or not at all.
    assert "refused" in lines[4]
    assert app in _sessions(cluster)
    after = master_state(cluster)
    assert after["activedrivers"] == after["completeddrivers"] == []
    assert _workers(after) == _workers(before)
    assert set(_workers(after).values()) == {"ALIVE"}


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_no_page_of_a_worker_is_on_the_network(cluster: Cluster, place: Callable[..., str]) -> None:
    ask = (
        "import socket, sys\n"
        "s = socket.socket(); s.settimeout(10); print(s.connect_ex((sys.argv[1], 8081)))"
    )
    for worker in cluster.containers("spark-worker"):
        assert int(place(cluster, ask, address(worker))) != 0


def _sessions(cluster: Cluster) -> set[str]:
    return {app["id"] for app in master_state(cluster).get("activeapps", [])}


def _workers(state: dict[str, Any]) -> dict[str, str]:
    return {worker["id"]: worker["state"] for worker in state["workers"]}


_SUBMIT = """
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.master(sys.argv[1]).config("spark.ui.enabled", "false")
print("counted", spark.getOrCreate().range(9).count())
"""


def test_a_submission_without_the_secret_is_refused(cluster: Cluster) -> None:
    """From this machine and from a user's terminal, with Spark's defaults. test_safety.py tries the
    same from a container next to the cluster, where the one with the secret succeeds."""
    before = _known_apps(cluster)
    url = f"spark://{address(cluster.one('spark-master'))}:7077"
    bare = ["env", "SPARK_CONF_DIR=/tmp", "python", "-c", _SUBMIT, url]
    tries = [
        cluster.start(cluster.user, *bare),
        subprocess.Popen(
            [sys.executable, "-c", _SUBMIT, url],
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ),
    ]
    try:
        for attempt in tries:
            output, _ = attempt.communicate(timeout=150)
            assert attempt.returncode != 0, output
            assert "counted 9" not in output
    finally:
        for attempt in tries:
            attempt.kill()
    assert _known_apps(cluster) == before


def _known_apps(cluster: Cluster) -> set[str]:
    """All sessions that the master has accepted so far."""
    state = master_state(cluster)
    return {app["id"] for kind in ("activeapps", "completedapps") for app in state[kind]}
