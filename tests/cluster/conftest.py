"""One cluster in containers for all tests here, started as a user does and stopped afterwards."""

import os
from collections.abc import Generator, Iterator
from pathlib import Path

import leftovers
import pytest
from ports import free_ports

from cluster.local import PROJECT, Cluster

_NOT_A_USERS = ("AWS_", "FRUITS_", "MAKE", "MFLAGS")  # including those set by an outer make


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the containers' logs, state and memory use to the report of a failed test."""
    report = yield
    running = getattr(item, "funcargs", {}).get("cluster")
    if report.failed and isinstance(running, Cluster):
        for container in running.containers():
            state, memory = container.attrs["State"], container.stats(stream=False)["memory_stats"]
            logs = container.logs(tail=40).decode("utf-8", "replace")
            title = f"{container.name}: {state['Status']}, OOMKilled {state['OOMKilled']}, "
            used = f"{memory.get('usage', 0) >> 20} MiB of {memory.get('limit', 0) >> 20}"
            report.sections.append((title + used, logs))
    return report


@pytest.fixture(scope="package")
def cluster(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """The cluster in its own compose project, separate from one that may be in use."""
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        pytest.skip(f"no Docker engine answers: {error}")
    ports = map(str, free_ports(4))
    secrets = tmp_path_factory.mktemp("secrets")
    environ = {
        **{k: v for k, v in os.environ.items() if not k.startswith(_NOT_A_USERS)},
        "COMPOSE_PROJECT_NAME": PROJECT,
        "COMPOSE_FILE": f"compose.yaml:{Path(__file__).with_name('short.yaml')}",
        "SECRETS": str(secrets),
        "TAG": "test",
        "HUB_USER": "scientist",
        **{name: next(ports) for name in ("HUB_PORT", "MASTER_PORT", "HISTORY_PORT", "S3_PORT")},
        "YES": "1",
    }
    started = Cluster(client, environ, secrets)
    project = f"label=com.docker.compose.project={PROJECT}"
    leftovers.say(request.config, leftovers.remove_containers(f"label={leftovers.LABEL}", project))
    try:
        started.make("local-up")
        yield started
    finally:
        started.make("local-clean", check=False)


_BUSY_SESSION = """
import time
from fruits.progress import Count
from fruits.session import start_session
from fruits.session.counting import counting
context = start_session().sparkContext
def work(_):
    counter.of_this_task()(1, 1)
    time.sleep(600)
kept = context._jsc.broadcast("something that a session knows")
print("started", f"broadcast_{kept.id()}_piece0", flush=True)
with counting(context, Count(), 2, "tasks") as counter:
    context.parallelize(range(2), 2).map(work).count()
"""


@pytest.fixture
def session(cluster: Cluster) -> Iterator[str]:
    """A running session; yields the name of a block held by its driver."""
    port = "PYSPARK_SUBMIT_ARGS=--conf spark.blockManager.port=7079 pyspark-shell"
    run = cluster.start(cluster.user, "env", port, "python", "-c", _BUSY_SESSION)
    lines = []
    try:
        for line in run.stdout or ():
            lines.append(line)
            if line.startswith("started"):
                break
        else:
            raise AssertionError("".join(lines))
        yield line.split()[1]
    finally:
        cluster.run("as-user", cluster.user, "sh", "-c", "kill -KILL -1", check=False)
        run.wait(10)
