#!/usr/bin/python3
"""Power the cluster off when nobody has used it for a while, workers first.

    idle_stop.py master CLUSTER MINUTES [WORKER…]    on the master host, once a minute
    idle_stop.py worker CLUSTER MASTER               on each worker host, once a minute

In use means: a Spark application that has cores or waits for some, or that runs outside a
notebook; a run of run.yml; a busy kernel; a program or a shell started through SSH on the master
host (a tunnel alone is none); a backup; or deploy.yml or start.yml, which may be busy elsewhere.
After MINUTES without, the master host tells the workers to power off when they ask, waits until
they have, and powers off itself. If somebody uses the cluster meanwhile, both end; start.yml starts
workers that are off by then. They ask at a port below 1024, where no user of the Hub can listen.
"""

import fcntl
import re
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.request import urlopen

import running

PORT = 977
SSH_PORT = 22
MASTER = "http://127.0.0.1:8080"
LAST_USED = Path("/run/fruits-last-used")  # in seconds since boot
HOME = Path(__file__).parent  # the deployment directory
WORKERS_STOP_S = (90, 600)  # at least, so that all workers have asked, and at most
IN_USE = Path("/run/fruits-in-use")  # until the time of this file: deploy.yml or start.yml runs


def main(role: str, cluster: str, *words: str) -> None:
    if role == "worker":
        if asked_to_stop(cluster, *words):
            power_off("the master host has asked for it")
        return
    seconds = 60 * float(words[0])
    if users := in_use():
        note_use(users, seconds)
        return
    idle = time.monotonic() - last_used()
    tell_the_hub(f"{seconds:.0f} {time.time() + seconds - idle:.0f}")
    if idle >= seconds:
        if users := stop_workers(cluster, words[1:]):
            note_use(users, seconds)
            return
        power_off(f"not used for {words[0]} minutes")


def note_use(users: set[str], seconds: float) -> None:
    print("in use:", ", ".join(sorted(users)))
    LAST_USED.write_text(str(time.monotonic()))
    tell_the_hub(f"{seconds:.0f} 0")


def last_used() -> float:
    """When the cluster was last in use, in seconds since boot; now, if that is not known."""
    try:
        return float(LAST_USED.read_text())
    except (OSError, ValueError):
        LAST_USED.write_text(str(now := time.monotonic()))
        return now


def in_use() -> set[str]:
    """What uses the cluster."""
    found = running.applications(MASTER, idle=False) | running.runs_and_kernels() | programs()
    if IN_USE.exists() and IN_USE.stat().st_mtime > time.time():
        found.add("deploy.yml or start.yml")
    if backup_runs():
        found.add("a backup")
    return found


def backup_runs() -> bool:
    """Whether a backup or a restore holds its lock."""
    try:
        with (HOME / "backed-up.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def programs() -> set[str]:
    """Spark's drivers that don't belong to a notebook, and what SSH has started."""
    found = processes()
    drivers = {n for n, (_, line) in found.items() if "org.apache.spark.deploy.SparkSubmit" in line}
    ssh = {n for n, (_, line) in found.items() if re.match(r"sshd(-session|-auth)?: ", line)}
    used = set()
    for number, (parent, _) in found.items():
        if number in drivers and "ipykernel" not in found.get(parent, (0, ""))[1]:
            used.add("a program that uses Spark")
        if parent in ssh and number not in ssh:
            used.add("a session of SSH")
    return used


def processes() -> dict[int, tuple[int, str]]:
    """Number of each process -> its parent's, and its command line."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # has just ended
        found[int(folder.name)] = parent, line
    return found


def tell_the_hub(text: str) -> None:
    """Write for the Hub's home page: seconds until an idle cluster stops, and when this one will.

    The latter in seconds since 1970; 0: it is in use.
    """
    command = ["docker", "compose", "--project-directory", str(HOME / "compose"), "exec", "-T"]
    command += ["jupyterhub", "sh", "-c", "cat >/run/fruits/stops-at"]
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(command, input=text, text=True, check=False, timeout=60)


def stop_workers(cluster: str, workers: tuple[str, ...]) -> set[str]:
    """Tell the hosts that ask to power off, until no worker can be reached or time is up.

    Returns what uses the cluster by now: no more workers are told to power off then.
    """

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(message(cluster))

    server = HTTPServer(("", PORT), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    least, most = (time.monotonic() + seconds for seconds in WORKERS_STOP_S)
    while (
        not (users := in_use())
        and time.monotonic() < most
        and (time.monotonic() < least or any(reachable(worker) for worker in workers))
    ):
        time.sleep(1)
    server.shutdown()
    server.server_close()
    return users


def reachable(host: str) -> bool:
    try:
        socket.create_connection((host, SSH_PORT), timeout=3).close()
    except OSError:
        return False
    return True


def asked_to_stop(cluster: str, master: str) -> bool:
    try:
        with urlopen(f"http://{master}:{PORT}/", timeout=5) as answer:
            return bool(answer.read(200) == message(cluster))
    except OSError:
        return False  # as a rule, nothing listens there


def message(cluster: str) -> bytes:
    return f"power off {cluster}\n".encode()


def power_off(why: str) -> None:
    print("powering off:", why, flush=True)
    subprocess.run(["/usr/bin/systemctl", "poweroff"], check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
