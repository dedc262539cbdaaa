"""A cluster in containers on this machine: user commands and status queries."""

import configparser
import json
import subprocess
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from places import ROOT

PROJECT = "fruits-test"
NETWORK = f"{PROJECT}_default"


@dataclass(frozen=True)
class Cluster:
    """A running cluster: its containers (Docker SDK), its make targets and its bucket."""

    docker: Any  # docker.DockerClient; the SDK has no types
    environ: dict[str, str]
    secrets: Path

    def make(self, *words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run `make local-…` as a user does."""
        done = subprocess.run(
            ["make", *words],  # noqa: S607
            cwd=ROOT,
            env=self.environ,
            text=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=1800,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"make {' '.join(words)}:\n{done.stdout}\n{done.stderr}")
        return done

    def containers(self, service: str | None = None) -> list[Any]:
        """The containers of a service, or all of them."""
        labels = [f"com.docker.compose.project={PROJECT}"]
        if service:
            labels.append(f"com.docker.compose.service={service}")
        containers: list[Any] = self.docker.containers.list(filters={"label": labels})
        return containers

    def one(self, service: str) -> Any:
        """The only container of a service."""
        (container,) = self.containers(service)
        return container

    def run(self, *command: str, service: str = "jupyterhub", check: bool = True) -> str:
        """Run a command in a container and return its output."""
        code, out = self.one(service).exec_run(list(command))
        text: str = out.decode("utf-8", "replace")
        if check and code:
            raise AssertionError(f"{' '.join(command)} ended with {code}:\n{text}")
        return text

    def start(self, user: str, *command: str) -> "subprocess.Popen[str]":
        """Start a command as a Hub user, without waiting for it."""
        exec_ = ["docker", "exec", self.one("jupyterhub").id, "as-user", user, *command]
        return subprocess.Popen(exec_, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def add_user(self, name: str) -> str:
        """Add a Hub user and return the password."""
        output = self.make("local-user", f"NAME={name}").stdout
        return output.strip().rpartition(" ")[2]

    @property
    def user(self) -> str:
        return self.environ["HUB_USER"]

    @property
    def password(self) -> str:
        return (self.secrets / "hub-password").read_text().strip()

    @property
    def hub(self) -> str:
        return f"http://127.0.0.1:{self.environ['HUB_PORT']}"

    @property
    def s3(self) -> Any:
        """A boto3 client for the object store."""
        import boto3

        keys = configparser.ConfigParser()
        keys.read(self.secrets / "s3")
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.environ['S3_PORT']}",
            aws_access_key_id=keys["default"]["aws_access_key_id"],
            aws_secret_access_key=keys["default"]["aws_secret_access_key"],
            region_name="eu-west-3",
        )

    def read(self, key: str) -> bytes:
        """Read an object from the bucket."""
        data: bytes = self.s3.get_object(Bucket="fruits", Key=key)["Body"].read()
        return data


def wait_until(true: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Wait until a condition is true; fail after the timeout."""
    end = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"after {timeout_s} s still not so: {what}")
        time.sleep(0.5)


def answer(cluster: Cluster, port: str, path: str) -> Any:
    """The JSON response for a path at one of the ports published on this machine."""
    with urllib.request.urlopen(f"http://127.0.0.1:{cluster.environ[port]}{path}") as page:
        return json.load(page)


def master_state(cluster: Cluster) -> dict[str, Any]:
    """The Spark master's workers and sessions; {} while it doesn't respond."""
    try:
        state: dict[str, Any] = answer(cluster, "MASTER_PORT", "/json/")
        return state
    except (OSError, ValueError, HTTPException):
        return {}


def workers_alive(cluster: Cluster) -> int:
    """Number of live workers registered with the master."""
    return sum(worker["state"] == "ALIVE" for worker in master_state(cluster).get("workers", []))


def address(container: Any) -> str:
    """A container's IP address, which is reachable from this machine too."""
    container.reload()
    ip: str = container.attrs["NetworkSettings"]["Networks"][NETWORK]["IPAddress"]
    return ip
