"""The Docker engines of hosts, in containers, and the images that they start with."""

import os
import subprocess
import time
from pathlib import Path
from typing import Any

from places import ROOT

NAME = "fruits-rehearsal"
TAG = "test"
IMAGES = ("spark-master", "spark-worker", "jupyterhub")
# What --privileged gives, where that is refused: a Docker engine runs in it.
_CAPABILITIES = (
    "AUDIT_CONTROL AUDIT_READ BLOCK_SUSPEND DAC_READ_SEARCH IPC_LOCK IPC_OWNER LEASE "
    "LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE NET_ADMIN NET_BROADCAST SYSLOG SYS_ADMIN SYS_BOOT "
    "SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_TIME SYS_TTY_CONFIG WAKE_ALARM"
)
ENGINE_OPTIONS = [
    *(f"--cap-add={capability}" for capability in _CAPABILITIES.split()),
    *(f"--security-opt={kind}=unconfined" for kind in ("seccomp", "apparmor", "systempaths")),
    *("--cgroupns=host", "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw"),
]


def docker(*words: str | Path, check: bool = True, **options: Any) -> str:
    """What a docker command prints."""
    done: subprocess.CompletedProcess[str] = subprocess.run(
        ["docker", *words],  # noqa: S607
        text=True,
        capture_output=True,
        check=False,
        **options,
    )
    if check and done.returncode:
        raise AssertionError(f"docker {' '.join(map(str, words))}:\n{done.stdout}\n{done.stderr}")
    return done.stdout + (done.stderr if not check else "")


def make_images() -> None:
    """`make images`, under a tag of the tests' own."""
    subprocess.run(
        ["make", "images"],  # noqa: S607
        cwd=ROOT,
        env={**os.environ, "TAG": TAG},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def make_seed() -> None:
    """A volume in which an engine has the layers of our images, as after a former deploy.

    Gigabytes by SSH would be most of a first deploy's time. Here they are there already, under
    a tag that no deploy asks for; that they come by SSH shows where a lost worker is replaced.
    """
    engine = f"{NAME}-engine"
    docker("build", "--quiet", "--target", "engine", "--tag", f"fruits/rehearsal-engine:{TAG}",
           ROOT / "tests" / "deploy" / "host")  # fmt: skip
    for image in IMAGES:
        docker("tag", f"fruits/{image}:{TAG}", f"fruits/{image}:former")
    docker("run", "--detach", "--name", engine, *ENGINE_OPTIONS,
           f"--volume={NAME}-seed:/var/lib/docker", f"fruits/rehearsal-engine:{TAG}")  # fmt: skip
    end = time.monotonic() + 60
    while "Server Version" not in docker("exec", engine, "docker", "info", check=False):
        assert time.monotonic() < end, docker("logs", engine, check=False)
        time.sleep(0.5)
    save = subprocess.Popen(
        ["docker", "save", *(f"fruits/{image}:former" for image in IMAGES)],  # noqa: S607
        stdout=subprocess.PIPE,
    )
    docker("exec", "--interactive", engine, "docker", "load", "--quiet", stdin=save.stdout)
    assert save.wait(10) == 0
    docker("stop", "--time", "30", engine)
    docker("rm", engine)


def copy_seed(host: str) -> None:
    """The seed's images for a host: layers, which no engine writes into, as hard links.

    Nothing else of the seed's engine: its networks could be those that the hosts are in.
    """
    docker("volume", "create", f"{NAME}-{host}")
    seed = Path(docker("volume", "inspect", "--format", "{{.Mountpoint}}", f"{NAME}-seed").strip())
    target = f"/volumes/{NAME}-{host}/_data/"
    copy = f"cd /volumes/{NAME}-seed/_data && cp -al overlay2 {target} && cp -a image {target}"
    docker("run", "--rm", "--user", "root", "--volume", f"{seed.parents[1]}:/volumes",
           "--entrypoint", "sh", f"fruits/base:{TAG}", "-ec", copy)  # fmt: skip
