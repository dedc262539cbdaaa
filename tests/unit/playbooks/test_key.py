"""A lost copy of the SSH key in the parameter store is put there again from the file."""

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
