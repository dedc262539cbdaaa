"""Who tries what from where: a container beside the cluster, this machine, a user of the Hub."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from leftovers import LABEL

from cluster.local import NETWORK, Cluster


def start_stranger(
    cluster: Cluster, tmp_path: Path, command: list[str], authenticate: bool, secret: str
) -> Any:
    """A container on the cluster's network, with Spark and a secret, maybe not the right one."""
    file = tmp_path / f"{authenticate}-{len(secret)}"
    file.write_text(secret)
    return cluster.docker.containers.run(
        "fruits/spark-worker:test",
        command,
        detach=True,
        labels=[LABEL],
        network=NETWORK,
        volumes={str(file): {"bind": "/run/secrets/spark", "mode": "ro"}},
        environment={
            "SPARK_SET_authenticate": str(authenticate).lower(),
            "SPARK_SET_network_crypto_enabled": str(authenticate).lower(),
            "SPARK_SET_io_encryption_enabled": str(authenticate).lower(),
            "SPARK_WORKER_DIR": "/var/lib/spark/work",
            "FRUITS_MASTER": "spark://spark-master:7077",
        },
        tmpfs={"/run/fruits": "mode=0700,uid=10001,gid=10001"},
    )


def from_beside(cluster: Cluster, program: str, *args: str) -> str:
    """What a Python program prints in a container beside the cluster."""
    said: bytes = cluster.docker.containers.run(
        "fruits/spark-worker:test",
        ["-c", program, *args],
        entrypoint="python3",
        network=NETWORK,
        remove=True,
    )
    return said.decode()


def from_this_machine(_: Cluster, program: str, *args: str) -> str:
    """What it prints in a process of this machine."""
    return subprocess.check_output([sys.executable, "-c", program, *args], text=True, timeout=120)


def from_a_users_terminal(cluster: Cluster, program: str, *args: str) -> str:
    """What it prints as a user of the Hub."""
    return cluster.run("as-user", cluster.user, "python", "-c", program, *args)
