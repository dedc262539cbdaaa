"""One cluster in containers for all tests here, started as a user starts it, and stopped after."""

import configparser
import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = "fruits-test"
_NOT_A_USERS = ("AWS_", "FRUITS_", "MAKE", "MFLAGS")  # a make within a make says more than asked


@dataclass(frozen=True)
class Cluster:
    """A running cluster: its containers by the docker SDK, its verbs by make, its bucket."""

    docker: Any  # docker.DockerClient; the SDK has no types
    environ: dict[str, str]
    secrets: Path

    def make(self, *words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """`make local-…` as a user says it."""
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
        found: list[Any] = self.docker.containers.list(filters={"label": labels})
        return found

    def one(self, service: str) -> Any:
        """The only container of a service."""
        (container,) = self.containers(service)
        return container

    def run(self, *command: str, service: str = "jupyterhub", check: bool = True) -> str:
        """What a command prints in a container."""
        code, out = self.one(service).exec_run(list(command))
        text: str = out.decode("utf-8", "replace")
        if check and code:
            raise AssertionError(f"{' '.join(command)} ended with {code}:\n{text}")
        return text

    def start(self, user: str, *command: str) -> "subprocess.Popen[str]":
        """A command of a user of the Hub, running on while the test does something else."""
        exec_ = ["docker", "exec", self.one("jupyterhub").id, "as-user", user, *command]
        return subprocess.Popen(exec_, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def add_user(self, name: str) -> str:
        """A new user of the Hub; the password."""
        said = self.make("local-user", f"NAME={name}").stdout
        return said.strip().rpartition(" ")[2]

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
        """A boto3 client of the object store."""
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
        """An object of the bucket."""
        data: bytes = self.s3.get_object(Bucket="fruits", Key=key)["Body"].read()
        return data


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that failed shows what the containers said and took last."""
    report = yield
    made = getattr(item, "funcargs", {}).get("cluster")
    if report.failed and isinstance(made, Cluster):
        for container in made.containers():
            state, memory = container.attrs["State"], container.stats(stream=False)["memory_stats"]
            said = container.logs(tail=40).decode("utf-8", "replace")
            title = f"{container.name}: {state['Status']}, OOMKilled {state['OOMKilled']}, "
            used = f"{memory.get('usage', 0) >> 20} MiB of {memory.get('limit', 0) >> 20}"
            report.sections.append((title + used, said))
    return report


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The cluster in a compose project of its own, beside one that may run for other purposes."""
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        pytest.skip(f"no Docker engine answers: {error}")
    ports = iter(_free_ports(4))
    secrets = tmp_path_factory.mktemp("secrets")
    environ = {
        **{k: v for k, v in os.environ.items() if not k.startswith(_NOT_A_USERS)},
        "COMPOSE_PROJECT_NAME": PROJECT,
        "SECRETS": str(secrets),
        "TAG": "test",
        "HUB_USER": "scientist",
        **{name: next(ports) for name in ("HUB_PORT", "MASTER_PORT", "HISTORY_PORT", "S3_PORT")},
        "YES": "1",
    }
    made = Cluster(client, environ, secrets)
    made.make("local-clean")  # what a run that was killed has left
    try:
        made.make("local-up")
        yield made
    finally:
        made.make("local-clean", check=False)


def _free_ports(count: int) -> list[str]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [str(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def wait_until(true: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Returns when something has become true."""
    end = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"after {timeout_s} s still not so: {what}")
        time.sleep(0.5)


def answer(cluster: Cluster, port: str, path: str) -> Any:
    """What a page of JSON holds, at one of the ports that are open on this machine."""
    with urllib.request.urlopen(f"http://127.0.0.1:{cluster.environ[port]}{path}") as page:
        return json.load(page)


def master_state(cluster: Cluster) -> dict[str, Any]:
    """What the Spark master says of its workers and sessions; {} while it doesn't answer."""
    try:
        state: dict[str, Any] = answer(cluster, "MASTER_PORT", "/json/")
        return state
    except (OSError, ValueError, HTTPException):
        return {}


def workers_alive(cluster: Cluster) -> int:
    """How many workers the master has."""
    return sum(worker["state"] == "ALIVE" for worker in master_state(cluster).get("workers", []))
