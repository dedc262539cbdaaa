"""Customers' KMS keys: a bucket encrypted with one is used with it, or refused, never changed."""

from pathlib import Path
from typing import Any

import boto3
from plays import play

KEY = "arn:aws:kms:eu-west-3:123456789012:key/0a1b2c3d-1234"
OTHER = "arn:aws:kms:eu-west-3:123456789012:key/ffffffff-1234"


def settings(**changed: str) -> dict[str, Any]:
    """For this machine, as for `localhost` in the playbooks."""
    return {
        "region": "eu-west-3",
        "bucket": "fruit",
        "registry": "",
        "kms_key_arn": "",
        "aws_partition": "aws",
        **changed,
    }


def encrypt(**by_default: Any) -> None:
    rules: Any = {"Rules": [{"ApplyServerSideEncryptionByDefault": by_default}]}
    boto3.client("s3").put_bucket_encryption(
        Bucket="fruit", ServerSideEncryptionConfiguration=rules
    )


def test_a_bucket_with_another_key_is_refused(tmp_path: Path, s3: str) -> None:
    assert s3 == "fruit"
    place = {"ansible.builtin.include_role": {"name": "aws_bucket", "tasks_from": "place"}}

    def place_bucket(**cases: str) -> tuple[dict[str, bool], str]:
        """Which of these values of kms_key_arn are accepted, and the output."""
        hosts = {name: settings(kms_key_arn=key) for name, key in cases.items()}
        done = play(tmp_path, hosts, place)
        recap = done.stdout.partition("PLAY RECAP")[2]
        return {name: f"{name} " in recap and _failed(recap, name) == 0 for name in hosts}, (
            " ".join(done.stdout.split())
        )

    accepted, _ = place_bucket(none="", one=KEY)  # encrypted by S3's own keys
    assert accepted == {"none": True, "one": True}
    encrypt(SSEAlgorithm="aws:kms", KMSMasterKeyID=KEY)
    accepted, output = place_bucket(none="", one=KEY, other=OTHER)
    assert accepted == {"none": False, "one": True, "other": False}
    assert f"set `kms_key_arn: {KEY}`" in output
    encrypt(SSEAlgorithm="aws:kms")
    accepted, output = place_bucket(none="", one=KEY)
    assert accepted == {"none": False, "one": False}
    assert "AWS's own KMS key" in output


def _failed(recap: str, host: str) -> int:
    (line,) = [line for line in recap.splitlines() if line.startswith(f"{host} ")]
    return int(line.partition("failed=")[2].split()[0])


def test_the_key_must_be_in_the_region(tmp_path: Path) -> None:
    sovereign = {"region": "eusc-de-east-1", "aws_partition": "aws-eusc"}
    cases = {
        "good": settings(kms_key_arn=KEY),
        "without": settings(),
        "sovereign": settings(
            **sovereign, kms_key_arn="arn:aws-eusc:kms:eusc-de-east-1:123456789012:key/0a1b"
        ),
        "elsewhere": settings(kms_key_arn=KEY.replace("eu-west-3", "us-east-1")),
        "alias": settings(kms_key_arn=KEY.replace("key/", "alias/")),
        "id": settings(kms_key_arn="0a1b2c3d-1234"),
        "partition": settings(**sovereign, kms_key_arn=KEY.replace("eu-west-3", "eusc-de-east-1")),
        "longer": settings(kms_key_arn=f"{KEY}/us-east-1"),
    }
    done = play(tmp_path, cases, {"ansible.builtin.include_role": {"name": "eu"}})
    recap = done.stdout.partition("PLAY RECAP")[2]
    accepted = {name for name in cases if _failed(recap, name) == 0}
    assert accepted == {"good", "without", "sovereign"}, done.stdout
