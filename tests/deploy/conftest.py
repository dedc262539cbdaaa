"""Hosts to deploy to, created once for all tests here and removed afterwards; and a mock AWS."""

import json
from collections.abc import Iterator
from pathlib import Path

import leftovers
import pytest
from gate import Gate
from places import ROOT

from deploy.aws import AMI, Aws
from deploy.bucket import MANY, photos
from deploy.engines import TAG, docker, make_images
from deploy.playbooks import aws_server, make_site
from deploy.rehearsal import BUCKET, Rehearsal, clean_up


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `--dist loadgroup`, tests that share the hosts run one after another, beside others."""
    for item in items:
        if "rehearsal" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("hosts"))


@pytest.fixture(scope="package")
def rehearsal(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Rehearsal]:
    """Three fresh hosts and an object store, with nothing deployed yet."""
    from docker import from_env
    from docker.errors import DockerException

    try:
        from_env().ping()
    except DockerException as error:
        pytest.skip(f"no Docker engine answers: {error}")
    site = tmp_path_factory.mktemp("site")
    leftovers.say(request.config, clean_up())
    make_images()
    docker(
        *("build", "--quiet", "--tag", f"fruits/rehearsal-host:{TAG}"),
        ROOT / "tests" / "deploy" / "host",
    )
    make_site(site)
    try:
        yield Rehearsal(site)
    finally:
        clean_up()


@pytest.fixture(scope="package")
def deployed(rehearsal: Rehearsal) -> Rehearsal:
    """The cluster after the first deploy.yml, with photos in the bucket."""
    rehearsal.playbook("deploy")
    folder = photos()
    for photo in folder.rglob("*"):
        if photo.is_file():
            key = f"photos/{photo.relative_to(folder).as_posix()}"
            rehearsal.s3.upload_file(str(photo), BUCKET, key)
    return rehearsal


@pytest.fixture
def whole(deployed: Rehearsal) -> Rehearsal:
    """The cluster with all its hosts, whatever earlier tests have done to them."""
    deployed.mend()
    return deployed


@pytest.fixture(scope="package")
def many(deployed: Rehearsal) -> int:
    """Upload photos to MANY, more than a closed gate lets through; returns their number."""
    some = sorted(photos().rglob("*.jpg"))[:60]
    for copy in range(3):
        for photo in some:
            deployed.s3.upload_file(str(photo), BUCKET, f"many/{copy}/{photo.name}")
    return 3 * len(some)


@pytest.fixture
def gate(deployed: Rehearsal, many: int) -> Iterator[Gate]:
    """A gate that stops a run in the middle of its photos."""
    store = deployed.address("object-store")
    with Gate(f"fruits/spark-worker:{TAG}", deployed.network, store, MANY) as gate:
        yield gate


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Aws]:
    """A mock AWS with Debian's image, and a site with valid settings; nothing is provisioned."""
    amis = tmp_path / "amis.json"
    amis.write_text(json.dumps([AMI]))
    with aws_server(tmp_path, MOTO_AMIS_PATH=str(amis)) as url:
        site = tmp_path / "site"
        make_site(site)
        server = Aws(site, url)
        server.settings()
        yield server
