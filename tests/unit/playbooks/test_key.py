"""The SSH key: its lost copy in AWS is put there again; key pairs of others are left alone."""

from pathlib import Path

import boto3
import pytest
from deploy.playbooks import aws_environ
from plays import play

KEY = "/keytest/ssh-key"
ROLE = {"ansible.builtin.include_role": {"name": "aws_key"}}


@pytest.fixture(autouse=True)
def moto(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Playbooks and tests use moto's AWS."""
    for name, value in aws_environ(s3_endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_REGION", "eu-west-3")


def settings_of(cluster: str, folder: Path) -> dict[str, object]:
    return {
        "region": "eu-west-3",
        "cluster_name": cluster,
        "secrets_folder": str(folder / "secrets"),
        "private_key": str(folder / "secrets" / "key.pem"),
        "key_parameter": f"/{cluster}/ssh-key",
        "kms_key_arn": "",
        "aws_tags": {"fruits:cluster": cluster, "team": "a"},
    }


def test_a_lost_parameter_is_put_again(tmp_path: Path) -> None:
    file, settings = tmp_path / "secrets" / "key.pem", settings_of("keytest", tmp_path)
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


def test_the_key_pair_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    ec2 = boto3.client("ec2", region_name="eu-west-3")
    ec2.create_key_pair(KeyName="theirs")
    settings = settings_of("theirs", tmp_path)
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
