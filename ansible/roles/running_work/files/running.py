#!/usr/bin/env python3
"""Print what runs on the cluster, one line each; nothing if nothing does.

    running.py [MASTER-URL]

It runs on the master host, as root, and finds active applications of the Spark master, a run of
run.yml, and busy kernels of the Hub. Each notebook server is asked with its own token, which only
root and its user can read. What does not answer counts as running. Processes are their users', who
may make up anything: addresses, answers and names are checked.
"""

import json
import re
import sys
import time
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

_ANSWER_S = 10
_ANSWER_BYTES = 1_000_000
_open = build_opener(ProxyHandler({})).open


def main(master: str = "http://127.0.0.1:8080") -> None:
    for line in sorted(applications(master) | runs_and_kernels()):
        print(line)


def runs_and_kernels() -> set[str]:
    """Runs of run.yml, and the busy kernels of each user."""
    found: set[str] = set()
    servers: dict[str, dict[str, str]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            names = {Path(word).name for word in words[:3]}
            if "run-and-train" in names and "s3:" in "".join(words):
                found.add(f"a run of the pipeline: {' to '.join(filter(None, words[-3:]))}")
            elif "jupyterhub-singleuser" in names:
                lines = (process / "environ").read_bytes().decode(errors="replace").split("\0")
                environ = dict(line.split("=", 1) for line in lines if "=" in line)
                if re.match(
                    r"http://127[.]0[.]0[.]1:\d+/", url := environ["JUPYTERHUB_SERVICE_URL"]
                ):
                    servers[url] = environ
        except (OSError, KeyError):
            continue  # has just ended, or is not a server of the Hub
    for url, environ in servers.items():
        found |= _kernels(url, environ)
    return found


def applications(master: str, idle: bool = True) -> set[str]:
    """The master's applications; without `idle`, those that have cores or wait for some."""
    try:
        active = _get(f"{master}/json/")["activeapps"]
    except (OSError, ValueError):  # no master, no applications
        return set()
    return {
        f"Spark application {app['name']!r} of {app['user']}"
        for app in active
        if idle or app["cores"] or app["state"] == "WAITING"
    }


def _kernels(url: str, environ: dict[str, str]) -> set[str]:
    user = environ.get("JUPYTERHUB_USER", "")
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,30}", user):
        user = "somebody"
    try:
        kernels = _get(f"{url.rstrip('/')}/api/kernels", environ.get("JUPYTERHUB_API_TOKEN"))
        busy = [kernel for kernel in kernels if kernel["execution_state"] == "busy"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {f"the notebook server of {user}, which does not answer"}
    return {f"busy kernels of {user}: {len(busy)}"} if busy else set()


def _get(url: str, token: str | None = None) -> Any:
    headers = {"Authorization": f"token {token}"} if token else {}
    end, text = time.monotonic() + _ANSWER_S, b""
    with _open(Request(url, headers=headers), timeout=_ANSWER_S) as answer:
        while block := answer.read1():
            text += block
            if len(text) > _ANSWER_BYTES or time.monotonic() > end:
                raise OSError(f"{url} answers for too long")
    return json.loads(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
