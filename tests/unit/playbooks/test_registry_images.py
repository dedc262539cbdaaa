"""Images in AWS's registry: old ones expire, and Docker's errors are told. A script is Docker."""

import json
import os
from pathlib import Path

import boto3
import pytest
from deploy.playbooks import aws_environ
from plays import play

_DOCKER = """case "$1" in
login) cat >>"$FOLDER/password"; echo 'Login Succeeded' ;;
"$FAILS") echo "denied: no access, whatever $(cat "$FOLDER/password")" >&2; exit 1 ;;
esac
"""


def _images(folder: Path, endpoint: str, fails: str, version: str = "") -> str:
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / "docker").write_text(f"#!/bin/sh\n{_DOCKER}")
    (folder / "bin" / "docker").chmod(0o755)
    known = {"ansible.builtin.set_fact": {"images_version": "1.2-abc"}}
    done = play(
        folder,
        {"one": {}},
        {**known, "delegate_to": "localhost", "delegate_facts": True},
        {"ansible.builtin.include_role": {"name": "images"}},
        environ={
            **aws_environ(endpoint),
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "FOLDER": str(folder),
            "FAILS": fails,
        },
        ansible_become=False,
        aws_tags={"fruits:cluster": "regtest"},
        cluster_name="regtest",
        host_images=["spark-master"],
        images="built_here",
        local_tag="latest",
        region="eu-west-3",
        registry="123456789012.dkr.ecr.eu-west-3.amazonaws.com",
        version=version,
    )
    assert "auth-token" not in done.stdout  # moto's password
    return " ".join(done.stdout.split())


def test_old_images_expire(
    s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = _images(tmp_path, s3_endpoint, "nothing")
    assert "failed=0" in output, output
    for name, value in aws_environ(s3_endpoint).items():
        monkeypatch.setenv(name, value)
    ecr = boto3.client("ecr", region_name="eu-west-3")
    policy = json.loads(
        ecr.get_lifecycle_policy(repositoryName="regtest/jupyterhub")["lifecyclePolicyText"]
    )
    selections = [rule["selection"] for rule in policy["rules"]]
    assert selections[0] == {
        "tagStatus": "tagged",
        "tagPatternList": ["*"],
        "countType": "imageCountMoreThan",
        "countNumber": 5,
    }
    assert selections[1]["tagStatus"] == "untagged"
    again = _images(tmp_path, s3_endpoint, "nothing")
    assert "TASK [images : Ensure the image repositories exist] ***" in again
    assert "changed: [one -> localhost] => (item=" not in again


@pytest.mark.parametrize("fails", ["push", "pull"])
def test_dockers_error_is_told_without_the_password(
    s3_endpoint: str, tmp_path: Path, fails: str
) -> None:
    output = _images(tmp_path, s3_endpoint, fails)
    assert f"not {fails} the images" in output
    assert "denied: no access, whatever …" in output
