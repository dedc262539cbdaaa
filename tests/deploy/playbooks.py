"""The operator's side: playbooks, their settings and secrets, and a mock AWS."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from places import ROOT
from ports import free_ports

# Of the image, the playbooks check the Hub's settings with its own rules.
_FILES = ("ansible*", "compose", "images/jupyterhub/*.py")


def make_site(site: Path) -> None:
    """Copy the files that a user has, for playbooks to write secrets and archives there."""
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *_FILES],  # noqa: S607
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=True,
    ).stdout.split()
    for file in files:
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).unlink(missing_ok=True)
        shutil.copy(ROOT / file, site / file, follow_symlinks=False)


def operators_environ() -> dict[str, str]:
    """The environment of an operator with Ansible, but without settings for it or for AWS."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "ANSIBLE_"))}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**kept, "ANSIBLE_NOCOLOR": "1", "PATH": path}


def run_playbook(
    site: Path,
    name: str,
    *options: str,
    environ: dict[str, str] | None = None,
    timeout_s: float = 1500,
) -> "subprocess.CompletedProcess[str]":
    """Run ansible/NAME.yml; errors are part of its output."""
    return subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), f"ansible/{name}.yml", *options],
        cwd=site,
        env=environ or operators_environ(),
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=timeout_s,
        check=False,
    )


def playbook(
    site: Path, name: str, *options: str, check: bool = True, environ: dict[str, str] | None = None
) -> str:
    """Run ansible/NAME.yml and return its output; without `check`, it must fail."""
    done = run_playbook(site, name, *options, environ=environ)
    (site / "playbooks.log").open("a").write(f"\n### {name} {' '.join(options)}\n{done.stdout}")
    assert (done.returncode == 0) == check, (
        f"{name}.yml ended with {done.returncode}:\n{done.stdout}"
    )
    return done.stdout


def changes(output: str) -> dict[str, int]:
    """Number of changes that a playbook reports for each host."""
    lines = [line.split() for line in output.partition("PLAY RECAP")[2].splitlines()[1:]]
    return {words[0]: int(words[3].removeprefix("changed=")) for words in lines if len(words) > 3}


@contextmanager
def aws_server(folder: Path, **environ: str) -> Iterator[str]:
    """Run moto's AWS server on this machine, with its log in `folder`; yields its URL."""
    (port,) = free_ports(1)
    server = subprocess.Popen(
        [Path(sys.executable).with_name("moto_server"), "-H", "127.0.0.1", "-p", str(port)],
        env={**os.environ, **environ},
        stdout=(folder / "moto.log").open("w"),
        stderr=subprocess.STDOUT,
    )
    try:
        wait_for_port(port, server)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(60)


def aws_environ(url: str) -> dict[str, str]:
    """The environment of an operator with access to that server."""
    keys = {"AWS_ACCESS_KEY_ID": "operator", "AWS_SECRET_ACCESS_KEY": "secret"}
    return {**operators_environ(), "AWS_ENDPOINT_URL": url, **keys}


def wait_for_port(port: int, process: "subprocess.Popen[Any]", timeout_s: float = 60) -> None:
    """Wait until the process listens on the port."""
    end = time.monotonic() + timeout_s
    while process.poll() is None and time.monotonic() < end:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.2)
    raise AssertionError(f"nothing listens at {port}; the process ended with {process.poll()}")
