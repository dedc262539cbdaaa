"""All hosts have processors of one architecture, and an image and images for it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy.aws import AMI
from deploy.playbooks import aws_environ, aws_server
from places import ROOT
from plays import play

DEFAULTS = yaml.safe_load((ROOT / "ansible/group_vars/all/defaults.yml").read_text())
ARM = {"master_type": "m7g.large", "worker_type": "c7g.xlarge", "worker_types": ["c6g.xlarge"]}


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("moto")
    of_arm = {
        **AMI,
        "ami_id": "ami-0a0a0a0a0a0a0a0a0",
        "name": str(AMI["name"]).replace("amd64", "arm64"),
        "architecture": "arm64",
    }
    (folder / "amis.json").write_text(json.dumps([AMI, of_arm]))
    with aws_server(folder, MOTO_AMIS_PATH=str(folder / "amis.json")) as url:
        yield url


def _choose(moto: str, folder: Path, there: list[dict[str, Any]], **settings: Any) -> str:
    roles = [{"name": "aws_hosts", "tasks_from": file} for file in ("offers", "image")]
    done = play(
        folder,
        {"localhost": {}},
        *({"ansible.builtin.include_role": role} for role in roles),
        {"ansible.builtin.debug": {"msg": "chosen: {{ aws_hosts_image.name }}"}},
        environ={**aws_environ(moto), "AWS_REGION": "eu-west-3"},
        **{**DEFAULTS, "aws_network_zone": "", "aws_hosts_there": there, **settings},
    )
    return " ".join(done.stdout.split())


def test_the_image_is_of_the_types_architecture(moto: str, tmp_path: Path) -> None:
    assert "chosen: debian-13-amd64-20260901-2222" in _choose(moto, tmp_path, [])
    assert "chosen: debian-13-arm64-20260901-2222" in _choose(moto, tmp_path, [], **ARM)
    output = _choose(moto, tmp_path, [], **ARM, ami_name="debian-13-amd64-*")
    assert "no image debian-13-amd64-* for arm64 processors" in output


@pytest.mark.parametrize(
    "settings",
    [
        {"master_type": "t4g.large"},
        {"worker_types": ["c6g.xlarge"]},
        {**ARM, "worker_types": ["c6i.xlarge"]},
    ],
    ids=str,
)
def test_a_mixed_cluster_is_refused(moto: str, tmp_path: Path, settings: dict[str, Any]) -> None:
    output = _choose(moto, tmp_path, [], **settings)
    assert "all hosts of a cluster need processors of one architecture" in output
    assert "has arm64" in output
    assert "has x86_64" in output
    assert "correct master_type, worker_type or worker_types" in output


def test_existing_hosts_of_another_architecture_are_named(moto: str, tmp_path: Path) -> None:
    there = [
        {"architecture": "x86_64", "tags": {"Name": "fruits-master"}},
        {"architecture": "arm64", "tags": {"Name": "fruits-worker-1"}},
    ]
    output = _choose(moto, tmp_path, there, **ARM)
    assert "fruits-master has x86_64 processors" in output
    assert "(-e replace=fruits-master)" in output


@pytest.mark.parametrize(
    ("host", "image", "refused"),
    [
        ("x86_64", "amd64", False),
        ("aarch64", "arm64", False),
        ("aarch64", "amd64", True),
        ("x86_64", "arm64", True),
    ],
)
def test_images_of_another_architecture_are_refused(
    tmp_path: Path, host: str, image: str, refused: bool
) -> None:
    (tmp_path / "docker").write_text(f"#!/bin/sh\necho {image}\n")
    (tmp_path / "docker").chmod(0o755)
    done = play(
        tmp_path,
        {"one": {}, "two": {}},
        {"ansible.builtin.set_fact": {"architecture": host, "cacheable": True}},
        {"ansible.builtin.include_role": {"name": "images", "tasks_from": "architecture"}},
        environ={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        **DEFAULTS,
    )
    assert (done.returncode != 0) == refused, done.stdout
    said = " ".join(done.stdout.split())
    assert (f"the images on this machine are for {image} processors" in said) == refused


def test_hosts_of_two_architectures_are_refused(tmp_path: Path) -> None:
    done = play(
        tmp_path,
        {"one": {"kind": "x86_64"}, "two": {"kind": "aarch64"}},
        {"ansible.builtin.set_fact": {"architecture": "{{ kind }}", "cacheable": True}},
        {"ansible.builtin.include_role": {"name": "images", "tasks_from": "architecture"}},
        **{**DEFAULTS, "images": "built_on_master"},
    )
    assert done.returncode != 0
    assert "two has aarch64 processors, but one, the master, x86_64" in " ".join(
        done.stdout.split()
    )
