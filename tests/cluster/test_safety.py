"""Secure defaults: the containers' privileges, and access without the secret."""

import json
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from places import ROOT

from cluster.local import Cluster, master_state, wait_until
from cluster.stranger import start_stranger


def _service(container: Any) -> str:
    name: str = container.labels["com.docker.compose.service"]
    return name


def test_containers_have_no_more_rights_than_they_need(cluster: Cluster) -> None:
    for container in cluster.containers():
        host, hub = container.attrs["HostConfig"], _service(container) == "jupyterhub"
        assert host["CapDrop"] == ["ALL"]
        allowed = {"CAP_SETUID", "CAP_SETGID", "CAP_KILL", "CAP_CHOWN"} if hub else set()
        added = {f"CAP_{name.removeprefix('CAP_')}" for name in host["CapAdd"] or []}
        assert added == allowed
        assert "no-new-privileges:true" in host["SecurityOpt"]
        assert host["ReadonlyRootfs"]
        assert not host["Privileged"]
        assert (container.attrs["Config"]["User"] == "10001") != hub
        assert host["Memory"] > 0
        assert host["LogConfig"]["Config"]["max-size"]
        mounts = [mount["Source"] for mount in container.attrs["Mounts"]]
        assert not any("docker.sock" in source for source in mounts)


def test_ports_are_open_on_this_machine_only(cluster: Cluster) -> None:
    bound = [
        port
        for container in cluster.containers()
        for ports in container.attrs["NetworkSettings"]["Ports"].values()
        for port in ports or []
    ]
    assert len(bound) == 4
    assert {port["HostIp"] for port in bound} == {"127.0.0.1"}


def test_no_secret_is_in_inspect_images_logs_or_command_lines(
    cluster: Cluster, session: str
) -> None:
    cluster.make("local-run")
    keys = (cluster.secrets / "s3").read_text().split()
    secrets = [
        (cluster.secrets / "spark").read_text().strip(),
        keys[-1],
        cluster.password,
    ]
    workers = cluster.containers("spark-worker")
    wait_until(
        lambda: any(b"CoarseGrainedExecutorBackend" in _lines(worker) for worker in workers),
        60,
        "an executor runs, whose command line is looked at too",
    )
    for container in cluster.containers():
        text = json.dumps(container.attrs) + json.dumps(container.image.history())
        text += json.dumps(container.image.attrs) + container.logs().decode()
        lines = _lines(container)
        assert b"java" in lines or b"versitygw" in lines
        for secret in secrets:
            assert secret not in text + lines.decode("utf-8", "replace"), _service(container)


def test_images_are_built_from_nothing_that_is_secret(cluster: Cluster, tmp_path: Path) -> None:
    """The build context contains neither compose/, which holds secrets, nor .git."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    build = ["docker", "buildx", "build", "--builder", "default"]
    paths = ["--file", f"{tmp_path}/Dockerfile", "--output", f"{tmp_path}/out", str(ROOT)]
    subprocess.run([*build, *paths], check=True, capture_output=True)
    given = {path.name for path in (tmp_path / "out").iterdir()}
    assert "src" in given
    assert given <= {
        *("data", "images", "notebooks", "src"),
        *("LICENSE", "README.md", "pyproject.toml"),
        *("requirements.lock", "requirements-dev.lock"),
    }


def _lines(container: Any) -> bytes:
    """The command lines of all processes of a container."""
    lines: bytes = container.exec_run(["sh", "-c", "cat /proc/[0-9]*/cmdline"]).output
    return lines


# Requests a block from the driver of a session, as Spark's own processes do.
_OPEN_BLOCK = """
import sys
from fruits.session import start_session
from fruits.settings import Settings
block, with_secret = sys.argv[1], sys.argv[2] == "True"
sc = start_session(Settings(master="local[1]")).sparkContext
jvm, net = sc._jvm, sc._jvm.org.apache.spark.network
crypto = "spark.network.crypto"
options = {f"{crypto}.enabled": "true", f"{crypto}.cipher": "AES/GCM/NoPadding"}
conf = net.util.TransportConf("shuffle", net.util.MapConfigProvider(options))
bootstraps = jvm.java.util.ArrayList()
if with_secret:
    keys = net.sasl.ShuffleSecretManager()
    keys.registerApp("app", open("/run/secrets/spark").read().strip())
    bootstraps.add(net.crypto.AuthClientBootstrap(conf, "app", keys))
context = net.TransportContext(conf, net.server.NoOpRpcHandler())
client = context.createClientFactory(bootstraps).createClient("jupyterhub", 7079)
names = sc._gateway.new_array(jvm.String, 1)
names[0] = block
message = net.shuffle.protocol.OpenBlocks("app", "driver", names).toByteBuffer()
answer = client.sendRpcSync(message, 20000)
print("opened", net.shuffle.protocol.BlockTransferMessage.Decoder.fromByteBuffer(answer).toString())
"""

_KINDS = ("workers", "activeapps", "completedapps")
# Run on the cluster's network, with or without the cluster's secret.
_WORKER = ["spark-class", "org.apache.spark.deploy.worker.Worker", "spark://spark-master:7077"]
_SUBMIT = [
    "python",
    "-c",
    "from fruits.session import start_session as s; print('counted', s().range(9).count())",
]


@pytest.mark.parametrize("command", [_WORKER, _SUBMIT], ids=["worker", "job"])
def test_who_has_not_the_secret_joins_nothing(
    cluster: Cluster, tmp_path: Path, command: list[str]
) -> None:
    """Three containers try the same at once; only the one with the right secret succeeds."""
    before = _known_to_the_master(cluster)
    right = (cluster.secrets / "spark").read_text().strip()
    strangers = [
        start_stranger(cluster, tmp_path, command, authenticate, secret)
        for secret, authenticate in (("another", True), ("another", False), (right, True))
    ]
    try:
        wait_until(
            lambda: len(_known_to_the_master(cluster) - before) == 1, 90, "who knows it joins"
        )
        wait_until(lambda: _is_in(strangers[-1]), 60, "and is told so")
        for other in strangers[:-1]:
            wait_until(partial(_is_refused, other), 120, "who doesn't know it is told so")
            assert not _is_in(other)
        assert len(_known_to_the_master(cluster) - before) == 1
    finally:
        for stranger in strangers:
            stranger.remove(force=True)


def _is_in(stranger: Any) -> bool:
    """Whether its worker or session reports that the master accepted it."""
    logs: str = stranger.logs().decode()
    return "Successfully registered with master" in logs or "counted 9" in logs


def _is_refused(stranger: Any) -> bool:
    """Whether its worker or session reports that the master rejected it."""
    logs: str = stranger.logs().decode()
    return "Failed to connect to master" in logs or "the master does not answer" in logs


def _known_to_the_master(cluster: Cluster) -> set[str]:
    """All workers and sessions that the master has accepted so far."""
    state = master_state(cluster)
    return {item["id"] for kind in _KINDS for item in state[kind]}


@pytest.mark.parametrize(
    ("secret", "authenticate"), [("", True), ("another", True), ("another", False)]
)
def test_who_has_not_the_secret_reads_no_block(
    cluster: Cluster, tmp_path: Path, session: str, secret: str, authenticate: bool
) -> None:
    known = not secret
    secret = secret or (cluster.secrets / "spark").read_text().strip()
    command = ["python", "-c", _OPEN_BLOCK, session, str(authenticate)]
    stranger = start_stranger(cluster, tmp_path, command, authenticate, secret)
    try:
        code = stranger.wait(timeout=90)["StatusCode"]
        logs = stranger.logs().decode()
    finally:
        stranger.remove(force=True)
    assert (code == 0) == known, logs
    assert ("opened" in logs) == known, logs
