"""Where access attempts come from: a container next to the cluster, this machine, a Hub user."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from leftovers import LABEL

from cluster.local import NETWORK, Cluster


def start_stranger(
    cluster: Cluster, tmp_path: Path, command: list[str], authenticate: bool, secret: str
) -> Any:
    """Start a container with Spark on the cluster's network, with the right or another secret."""
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
    """The output of a Python program in a container next to the cluster."""
    output: bytes = cluster.docker.containers.run(
        "fruits/spark-worker:test",
        ["-c", program, *args],
        entrypoint="python3",
        network=NETWORK,
        remove=True,
    )
    return output.decode()


def from_this_machine(_: Cluster, program: str, *args: str) -> str:
    """The output of a Python program on this machine."""
    return subprocess.check_output([sys.executable, "-c", program, *args], text=True, timeout=120)


def from_a_users_terminal(cluster: Cluster, program: str, *args: str) -> str:
    """The output of a Python program run by a Hub user."""
    return cluster.run("as-user", cluster.user, "python", "-c", program, *args)
