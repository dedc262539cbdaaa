#!/usr/bin/env python3
"""Print what runs on the cluster, one line each; nothing if nothing does.

    running.py [MASTER-URL]

It runs on the master host, as root, and finds active applications of the Spark master, a run of
run.yml, and busy kernels of the Hub. Each notebook server is asked with its own token, which only
root and its user can read.
"""

import json
import sys
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen


def main(master: str = "http://127.0.0.1:8080") -> None:
    found = _applications(master)
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
                servers[environ["JUPYTERHUB_SERVICE_URL"]] = environ
        except (OSError, KeyError):
            continue  # has just ended, or is not a server of the Hub
    for url, environ in servers.items():
        found |= _kernels(url, environ)
    for line in sorted(found):
        print(line)


def _applications(master: str) -> set[str]:
    try:
        active = _get(f"{master}/json/")["activeapps"]
    except (OSError, ValueError):  # no master, no applications
        return set()
    return {f"Spark application {app['name']!r} of {app['user']}" for app in active}


def _kernels(url: str, environ: dict[str, str]) -> set[str]:
    user = environ.get("JUPYTERHUB_USER", "somebody")
    try:
        kernels = _get(f"{url.rstrip('/')}/api/kernels", environ.get("JUPYTERHUB_API_TOKEN"))
    except (OSError, ValueError):
        return {f"the notebook server of {user}, which does not answer"}
    busy = [kernel for kernel in kernels if kernel["execution_state"] == "busy"]
    return {f"busy kernels of {user}: {len(busy)}"} if busy else set()


def _get(url: str, token: str | None = None) -> Any:
    headers = {"Authorization": f"token {token}"} if token else {}
    with urlopen(Request(url, headers=headers), timeout=10) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
