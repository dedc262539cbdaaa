"""AWS's agent comes from the region's own bucket; scripts stand in for the host's commands."""

import functools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from roles import template

COMMANDS = {
    "dpkg": "echo arm64",
    "dpkg-query": 'cat "$SITE/installed"',
    "apt-get": 'for last; do :; done; cp "$last" "$SITE/deb"; echo "$@" >>"$SITE/did"',
    "systemctl": 'echo "$@" >>"$SITE/did"',
    "systemd-run": 'echo "$@" >>"$SITE/did"',
}


@contextmanager
def bucket(folder: Path) -> Iterator[str]:
    handler = functools.partial(SimpleHTTPRequestHandler, directory=folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class Host:
    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.script = folder, folder / "ssm_agent.py"
        text = template("ssm_agent", "ssm_agent.py").replace("PAUSE_S = 15", "PAUSE_S = 0.1")
        text = text.replace("ATTEMPTS = 10", "ATTEMPTS = 2")
        assert "https://s3.eu-west-3.{DOMAIN}" in text
        self.script.write_text(text.replace("https://s3.eu-west-3.{DOMAIN}", url))
        (folder / "bin").mkdir()
        for name, line in COMMANDS.items():
            (folder / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
            (folder / "bin" / name).chmod(0o755)
        (folder / "installed").touch()

    def run(self, *words: str) -> int:
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        environ = {**os.environ, "PATH": path, "SITE": str(self.folder)}
        command = [sys.executable, str(self.script), *words]
        return subprocess.run(command, env=environ, timeout=60, check=False).returncode

    def did(self) -> list[str]:
        file = self.folder / "did"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    latest = tmp_path / "bucket" / "amazon-ssm-eu-west-3" / "latest"
    (latest / "debian_arm64").mkdir(parents=True)
    (latest / "VERSION").write_text("3.3.1142.0\n")
    (latest / "debian_arm64" / "amazon-ssm-agent.deb").write_bytes(b"a package")
    with bucket(tmp_path / "bucket") as url:
        yield Host(tmp_path, url)


def test_the_package_of_the_architecture_is_installed_and_started(host: Host) -> None:
    assert host.run("install") == 0
    assert (host.folder / "deb").read_bytes() == b"a package"
    apt, *systemd = host.did()
    assert "DPkg::Lock::Timeout" in apt
    assert systemd == ["enable amazon-ssm-agent", "restart amazon-ssm-agent"]


@pytest.mark.parametrize(
    ("installed", "code"),
    [("", 1), ("ii 3.3.1142.0-1", 0), ("ii 3.3.987.0-1", 1), ("rc 3.3.1142.0-1", 1)],
)
def test_the_newest_version_is_kept(host: Host, installed: str, code: int) -> None:
    (host.folder / "installed").write_text(installed)
    assert host.run("check") == code
    assert not host.did()


def test_it_fails_if_the_bucket_does_not_answer(host: Host) -> None:
    (host.folder / "bucket" / "amazon-ssm-eu-west-3").rename(host.folder / "gone")
    assert host.run("install") == 1
    assert host.run("check") == 1
    assert not host.did()


def test_the_first_boot_does_not_wait_for_it(host: Host) -> None:
    assert host.run() == 0
    (line,) = host.did()
    assert "--no-block" in line
    assert line.endswith(f"{host.script} install")


@pytest.mark.parametrize(
    ("region", "partition", "domain"),
    [("eu-central-1", "aws", "com"), ("eusc-de-east-1", "aws-eusc", "eu")],
)
def test_it_comes_from_the_region(region: str, partition: str, domain: str) -> None:
    text = template("ssm_agent", "ssm_agent.py", region=region, aws_partition=partition)
    assert f'DOMAIN = "amazonaws.{domain}"' in text
    assert f"https://s3.{region}.{{DOMAIN}}/amazon-ssm-{region}/latest" in text
