"""Images in AWS's registry: pushed by the operator, pulled by the hosts.

The API is moto's; the registry is Debian's, under the name that AWS would give it. The Docker
engine of worker-2 acts as the operator's, so that this machine need not trust its certificate.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
import yaml
from places import ROOT

from deploy.engines import IMAGES, TAG, docker
from deploy.playbooks import aws_environ, aws_server, changes
from deploy.rehearsal import ADDRESSES, Rehearsal

REGION = "eu-west-3"
REGISTRY = f"123456789012.dkr.ecr.{REGION}.amazonaws.com"
PASSWORD = "123456789012-auth-token"  # noqa: S105 - moto's
PULLERS = ("master", "worker-1")


@pytest.fixture
def environ(rehearsal: Rehearsal, tmp_path: Path) -> Iterator[dict[str, str]]:
    """An operator's environment: AWS, Docker with small images, hosts that resolve the registry."""
    image = f"fruits/rehearsal-registry:{TAG}"
    docker("build", "--quiet", "--tag", image, "--build-arg", f"NAME={REGISTRY}",
           ROOT / "tests" / "deploy" / "registry")  # fmt: skip
    rehearsal.run("registry", image)
    _write_playbooks(rehearsal)
    rehearsal.playbook("docker")
    certificate = docker("run", "--rm", image, "cat", "/cert.pem")
    for name in ADDRESSES:
        trusted = f"/etc/docker/certs.d/{REGISTRY}"
        rehearsal.on(name, "mkdir", "-p", trusted)
        rehearsal.write(name, f"{trusted}/ca.crt", certificate)
        known = f"echo {rehearsal.address('registry')} {REGISTRY} >>/etc/hosts"
        rehearsal.on(name, "sh", "-c", known)
    rehearsal.on("worker-2", "usermod", "--append", "--groups", "docker", "admin")
    for name in IMAGES:
        make = "docker import --change 'LABEL org.opencontainers.image.version=9.9' - "
        rehearsal.on("worker-2", "sh", "-c", f"tar -cC /etc hostname | {make} fruits/{name}:small")
    with aws_server(tmp_path) as url, _forwarded(rehearsal, tmp_path / "docker.sock") as engine:
        yield {**aws_environ(url), "DOCKER_HOST": engine}
    for name in PULLERS:  # later tests expect that a deploy finds nothing to remove
        pulled = [image for image in _images(rehearsal, name) if ":9.9-" in image]
        rehearsal.on(name, "docker", "image", "rm", *pulled)


def _write_playbooks(rehearsal: Rehearsal) -> None:
    """The parts of deploy.yml that are tested here."""
    every = {
        "hosts": "spark_master:spark_workers",
        "become": True,
        "roles": ["hardening", "docker"],
    }
    version = {"ansible.builtin.include_role": {"name": "images", "tasks_from": "version"}}
    local = {"hosts": "localhost", "gather_facts": False, "tasks": [version]}
    pull = {"hosts": ":".join(PULLERS), "become": True, "gather_facts": False, "roles": ["images"]}
    for name, plays in (("docker", [every]), ("images", [local, pull])):
        (rehearsal.site / "ansible" / f"{name}.yml").write_text(yaml.safe_dump(plays))


@contextmanager
def _forwarded(rehearsal: Rehearsal, socket: Path) -> Iterator[str]:
    """Forward worker-2's Docker socket to this machine; yields its address."""
    options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR")
    tunnel = subprocess.Popen(
        [
            *("ssh", "-N", "-i", rehearsal.site / "key", "-L", f"{socket}:/run/docker.sock"),
            *(f"-o{option}" for option in (*options, "ExitOnForwardFailure=yes")),
            f"admin@{rehearsal.address('worker-2')}",
        ]
    )
    try:
        end = time.monotonic() + 30
        while not socket.exists():
            assert tunnel.poll() is None and time.monotonic() < end
            time.sleep(0.1)
        yield f"unix://{socket}"
    finally:
        tunnel.terminate()
        tunnel.wait(10)


def _ids(rehearsal: Rehearsal, host: str, tag: str) -> dict[str, str]:
    """Names and IDs of the images with that tag on a host."""
    output = rehearsal.on(host, "docker", "image", "ls", "--no-trunc", "--format",
                        "{{.Repository}} {{.ID}} {{.Tag}}")  # fmt: skip
    rows = [line.split() for line in output.splitlines()]
    return {name: id_ for name, id_, image_tag in rows if image_tag == tag}


def test_images_go_through_the_registry(rehearsal: Rehearsal, environ: dict[str, str]) -> None:
    options = ("-e", "local_tag=small", "-e", f"registry={REGISTRY}")
    rehearsal.playbook("images", *options, environ=environ)
    pushed = _ids(rehearsal, "worker-2", "small")
    tags = {image.rpartition(":")[2] for image in _images(rehearsal, "master")}
    (version,) = {tag for tag in tags if tag.startswith("9.9-")}
    on_master, on_worker = (_ids(rehearsal, name, version) for name in PULLERS)
    assert on_master == {
        name: pushed[name] for name in ("fruits/spark-master", "fruits/jupyterhub")
    }
    assert on_worker == {"fruits/spark-worker": pushed["fruits/spark-worker"]}

    ecr = boto3.client(
        "ecr",
        REGION,
        endpoint_url=environ["AWS_ENDPOINT_URL"],
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
    )
    repositories = ecr.describe_repositories()["repositories"]
    assert sorted(item["repositoryName"] for item in repositories) == sorted(pushed)
    assert all(item["imageScanningConfiguration"]["scanOnPush"] for item in repositories)

    assert set(changes(rehearsal.playbook("images", *options, environ=environ)).values()) == {0}

    assert PASSWORD not in (rehearsal.site / "playbooks.log").read_text()
    for name in PULLERS:
        search = f"grep -rlF {PASSWORD} /root /home /tmp /var/tmp /etc; true"
        assert not rehearsal.on(name, "sh", "-c", search).strip()

    # Roll back to the version when neither a host nor the operator has it any more.
    for name in ADDRESSES:
        every = _ids(rehearsal, name, version) | _ids(rehearsal, name, "small")
        rehearsal.on(name, "docker", "image", "rm", "--force", *every.values())
    rehearsal.playbook("images", *options, "-e", f"version={version}", environ=environ)
    assert (_ids(rehearsal, "master", version), _ids(rehearsal, "worker-1", version)) == (
        on_master,
        on_worker,
    )


def _images(rehearsal: Rehearsal, host: str) -> list[str]:
    listed = rehearsal.on(host, "docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
    return listed.splitlines()
