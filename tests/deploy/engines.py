"""Docker engines of hosts in containers, and the images that they start with."""

import os
import subprocess
from pathlib import Path
from typing import Any

from places import ROOT

NAME = "fruits-rehearsal"
TAG = "test"
IMAGES = ("spark-master", "spark-worker", "jupyterhub")
# Equivalent to --privileged, where that is not allowed, to run Docker in a container.
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
    """Run a docker command and return its output."""
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
    """Run `make images` with the tests' own tag."""
    subprocess.run(
        ["make", "images"],  # noqa: S607
        cwd=ROOT,
        env={**os.environ, "TAG": TAG},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def give_images(host: str) -> None:
    """Create a volume for a host's engine with our images' layers, as after an earlier deploy.

    Copying gigabytes over SSH would take most of the first deploy's time, so the layers are present
    already, under a tag that no deploy uses. The copy over SSH is tested where a lost worker is
    replaced, and where this machine's engine uses another storage driver.
    """
    volume = f"{NAME}-{host}"
    docker("volume", "create", volume)
    engine, driver = docker("info", "--format", "{{.DockerRootDir}} {{.Driver}}").split()
    if driver != "overlay2":
        return
    ids = docker("image", "inspect", "--format", "{{.Id}}",
                 *(f"fruits/{image}:{TAG}" for image in IMAGES)).split()  # fmt: skip
    images = [f"fruits/{image}:former={digest}" for image, digest in zip(IMAGES, ids, strict=True)]
    docker("run", "--rm", "--interactive", "--user", "root", "--network", "none",
           "--cap-add", "SYS_ADMIN",  # for the trusted.* attributes of layers that hide files
           "--volume", f"{engine}:/docker", "--entrypoint", "python3", f"fruits/base:{TAG}",
           "-", "/docker", f"/docker/volumes/{volume}/_data", *images,
           input=(ROOT / "tests" / "deploy" / "layers.py").read_text())  # fmt: skip
