"""Images that the master builds, and gives to the workers; this machine's Docker is not used.

The Dockerfiles are trimmed: they add a layer to images that the hosts have, because building all
takes a quarter of an hour. Script, archive, and the way to the workers are the real ones.
"""

import shutil
from collections.abc import Iterator

import pytest
import yaml
from places import ROOT

from deploy.engines import docker
from deploy.playbooks import changes, make_site, operators_environ
from deploy.rehearsal import ADDRESSES, BUCKET, WORKERS, Rehearsal

_BASE = """
FROM fruits/spark-master:{version} AS uv
FROM fruits/jupyterhub:{version} AS keras
USER root
RUN id >/opt/built
FROM uv AS base
USER root
RUN id >/opt/built
COPY src/fruits/errors.py /opt/source.py
USER 10001
"""
_HUB = """
ARG TAG=latest
FROM fruits/build-keras:${TAG}
COPY src/fruits/errors.py /opt/source.py
USER root
"""


class Operator:
    """Somebody with a checkout and without Docker."""

    def __init__(self, cluster: Rehearsal) -> None:
        self.cluster, self.site = cluster, cluster.site
        self.received_mb: dict[str, float] = {}
        self.environ = {**operators_environ(), "DOCKER_HOST": "unix:///nowhere"}

    def deploy(self, *options: str, check: bool = True) -> str:
        options = ("-e", "assume_yes=true", *options)
        return self.cluster.playbook("deploy", *options, check=check, environ=self.environ)

    def version(self) -> str:
        """The deployed version, which is the same everywhere."""
        (version,) = {self.cluster.on(name, "cat", "/opt/fruits/version") for name in ADDRESSES}
        return version


@pytest.fixture(scope="module")
def operator(deployed: Rehearsal) -> Iterator[Operator]:
    """The cluster, with images that its master has built."""
    deployed.mend()
    version = deployed.on("master", "cat", "/opt/fruits/version").strip()
    site = deployed.site
    for folder in ("data/photos", "images", "notebooks", "src"):
        shutil.copytree(ROOT / folder, site / folder, dirs_exist_ok=True)
    for file in (".dockerignore", "LICENSE", "README.md", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / file, site / file)
    (site / "images" / "base" / "Dockerfile").write_text(_BASE.format(version=version))
    (site / "images" / "jupyterhub" / "Dockerfile").write_text(_HUB)
    settings = site / "ansible" / "cluster.yml"
    before = settings.read_text()
    settings.write_text(yaml.safe_dump({**yaml.safe_load(before), "images": "built_on_master"}))
    operator = Operator(deployed)
    operator.received_mb = {name: -_received_mb(deployed, name) for name in WORKERS}
    try:
        operator.deploy()
        for name in WORKERS:
            operator.received_mb[name] += _received_mb(deployed, name)
        yield operator
    finally:
        settings.write_text(before)
        for name in ("data", "images", "notebooks", "src"):
            shutil.rmtree(site / name)
        make_site(site)
        deployed.mend()
        deployed.playbook("deploy", "-e", "assume_yes=true")


def _image(cluster: Rehearsal, host: str, name: str, version: str, field: str = ".Id") -> str:
    words = (
        "docker",
        "image",
        "inspect",
        "--format",
        f"{{{{{field}}}}}",
        f"fruits/{name}:{version}",
    )
    return cluster.on(host, *words).strip()


def _received_mb(cluster: Rehearsal, host: str) -> float:
    return int(cluster.on(host, "cat", "/sys/class/net/eth0/statistics/rx_bytes")) / 1e6


def test_the_master_builds_and_the_workers_get_what_they_lack(operator: Operator) -> None:
    cluster, version = operator.cluster, operator.version()
    assert version.startswith("0.1.0-")
    built = _image(cluster, "master", "spark-worker", version)
    for name in WORKERS:
        assert _image(cluster, name, "spark-worker", version) == built
        assert operator.received_mb[name] < 300  # of 1,400: one layer, and the job
    source = cluster.compose("worker-1", "exec", "-T", "spark-worker", "cat", "/opt/source.py")
    assert source == (operator.site / "src" / "fruits" / "errors.py").read_text()
    found = cluster.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"samples/results-{version}/")
    assert found["KeyCount"] > 0  # the samples have gone through
    state = cluster.on("master", "systemctl", "is-active", "fruits-images", check=False)
    assert state.strip() == "inactive"
    assert not cluster.on("master", "find", "/var/lib/fruits-images", check=False).startswith("/")
    assert version in cluster.playbook("status", environ=operator.environ)


def test_a_checkout_that_has_not_changed_is_not_built_again(operator: Operator) -> None:
    assert set(changes(operator.deploy()).values()) == {0}


def test_a_new_worker_gets_all_layers_from_the_master(operator: Operator) -> None:
    cluster, version = operator.cluster, operator.version()
    cluster.remove_host("worker-2")
    docker("volume", "rm", f"{cluster.network}-worker-2")
    cluster.start_host("worker-2")  # has no image at all
    operator.deploy()
    cluster.wait_for_workers(2)
    built = _image(cluster, "master", "spark-worker", version)
    assert _image(cluster, "worker-2", "spark-worker", version) == built


def test_a_build_that_fails_says_why_and_changes_nothing(operator: Operator) -> None:
    version = operator.version()
    dockerfile = operator.site / "images" / "jupyterhub" / "Dockerfile"
    good = dockerfile.read_text()
    dockerfile.write_text(f"{good}RUN echo no such package; false\n")
    output = operator.deploy(check=False)
    dockerfile.write_text(good)
    assert "no such package" in output
    assert "The image fruits/jupyterhub could not be built" in output
    assert operator.version() == version


def test_newer_images_are_built_and_the_older_ones_come_back(operator: Operator) -> None:
    cluster, version = operator.cluster, operator.version()
    operator.deploy("-e", "fresh=true")
    newest = operator.version()
    assert newest != version
    assert cluster.on("master", "cat", "/opt/fruits/build/updated").startswith("20")

    operator.deploy("-e", f"version={version}")
    assert operator.version() == version
    for name in ADDRESSES:  # older ones are gone, on the master all that it has built
        tags = cluster.on(name, "docker", "image", "ls", "--format", "{{.Tag}}", "fruits/*")
        assert set(tags.split()) == {version, newest}

    output = operator.deploy("-e", "version=0.1.0-none", check=False)
    assert "the master does not have version 0.1.0-none" in output
    assert version in output
