"""Image repositories get the cluster's tags, for which the module that makes them has no option."""

from pathlib import Path
from typing import Any

import boto3
import pytest
from deploy.playbooks import aws_environ
from plays import play

NAMES = ["fruits/jupyterhub", "fruits/spark-master"]


def test_repositories_get_tags_and_keep_others(
    s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ecr = boto3.client("ecr", region_name="eu-west-3")
    for name, value in aws_environ(s3_endpoint).items():
        monkeypatch.setenv(name, value)
    arns = []
    others: list[Any] = [{"Key": "of-others", "Value": "kept"}, {"Key": "team", "Value": "old"}]
    for name in NAMES:
        made = ecr.create_repository(repositoryName=name, tags=others)["repository"]
        arns.append(made["repositoryArn"])
    wanted = {"fruits:cluster": "fruits", "team": "new"}
    tag = {"ecr_tags": {"region": "eu-west-3", "names": NAMES, "tags": wanted}}
    again = {**tag, "register": "again"}
    kept = {"ansible.builtin.assert": {"that": "again is not changed"}}
    done = play(tmp_path, {"localhost": {}}, {**tag, "register": "first"}, again, kept)
    assert done.returncode == 0, done.stdout
    assert "changed=1" in done.stdout
    for arn in arns:
        tags = ecr.list_tags_for_resource(resourceArn=arn)["tags"]
        assert {t["Key"]: t["Value"] for t in tags} == {"of-others": "kept", **wanted}
    for name in NAMES:
        ecr.delete_repository(repositoryName=name)
