"""The SSH key: its lost copy in AWS is put there again; key pairs of others are left alone."""

from pathlib import Path

import boto3
import pytest
from deploy.playbooks import aws_environ
from plays import play

KEY = "/keytest/ssh-key"
ROLE = {"ansible.builtin.include_role": {"name": "aws_key"}}


def test_a_lost_parameter_is_put_again(
    s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in aws_environ(s3_endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    file = tmp_path / "secrets" / "key.pem"
    settings = {
        "region": "eu-west-3",
        "cluster_name": "keytest",
        "secrets_folder": str(file.parent),
        "private_key": str(file),
        "key_parameter": KEY,
        "kms_key_arn": "",
        "aws_tags": {"fruits:cluster": "keytest", "team": "a"},
    }
    ssm = boto3.client("ssm", region_name="eu-west-3")

    done = play(tmp_path, {"localhost": settings}, ROLE)
    assert done.returncode == 0, done.stdout
    secret = file.read_text().strip()
    assert "PRIVATE KEY" in secret
    ssm.delete_parameter(Name=KEY)
    done = play(tmp_path, {"localhost": settings}, ROLE, ROLE)
    assert done.returncode == 0, done.stdout
    assert "changed=1" in done.stdout  # not by the second time
    stored = ssm.get_parameter(Name=KEY, WithDecryption=True)["Parameter"]
    assert (stored["Type"], stored["Value"].strip()) == ("SecureString", secret)
    assert secret.splitlines()[1] not in done.stdout

    ssm.delete_parameter(Name=KEY)
    file.unlink()
    done = play(tmp_path, {"localhost": settings}, ROLE)
    assert done.returncode
    output = " ".join(done.stdout.split())
    assert f"neither {file} nor the parameter {KEY} has its private key: copy the file" in output
    assert "censored" not in output.rpartition("Fail with AWS's message")[2]


def test_the_key_pair_of_somebody_else_is_left_alone(
    s3_endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in aws_environ(s3_endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_REGION", "eu-west-3")
    ec2 = boto3.client("ec2", region_name="eu-west-3")
    ec2.create_key_pair(KeyName="theirs")
    settings = {
        "region": "eu-west-3",
        "cluster_name": "theirs",
        "secrets_folder": str(tmp_path / "secrets"),
        "private_key": str(tmp_path / "secrets" / "key.pem"),
        "key_parameter": "/theirs/ssh-key",
        "kms_key_arn": "",
        "aws_tags": {"fruits:cluster": "theirs"},
    }
    absent = {"ansible.builtin.include_role": {"name": "aws_key", "tasks_from": "absent"}}
    output = " ".join(play(tmp_path, {"localhost": settings}, ROLE).stdout.split())
    assert "it is somebody else's; set another `cluster_name`" in output

    def theirs() -> list[object]:
        return [pair["Tags"] for pair in ec2.describe_key_pairs(KeyNames=["theirs"])["KeyPairs"]]

    assert theirs() == [[]]
    assert "failed=0" in play(tmp_path, {"localhost": settings}, absent).stdout
    assert theirs() == [[]]
    (pair,) = ec2.describe_key_pairs(KeyNames=["theirs"])["KeyPairs"]
    tag = {"Key": "fruits:cluster", "Value": "theirs"}
    ec2.create_tags(Resources=[pair["KeyPairId"]], Tags=[tag])
    assert "failed=0" in play(tmp_path, {"localhost": settings}, absent).stdout
    assert not ec2.describe_key_pairs(Filters=[{"Name": "key-name", "Values": ["theirs"]}])[
        "KeyPairs"
    ]
