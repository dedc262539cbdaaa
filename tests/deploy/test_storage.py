"""What outlives hosts: the bucket with the users' KMS key, and the volume of the homes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import iam as iam_rules

from deploy.aws import REGION, SETTINGS, Aws

KEY = f"arn:aws:kms:{REGION}:123456789012:key/0a1b2c3d-1234"
OTHERS = [{"Key": "fruits:cluster", "Value": "another"}, {"Key": "fruits:role", "Value": "homes"}]


def test_homes_survive_the_master_and_all_is_encrypted_with_the_users_key(aws: Aws) -> None:
    ec2 = aws.client("ec2")
    other = ec2.create_volume(
        AvailabilityZone=f"{REGION}b",
        Size=1,
        TagSpecifications=[{"ResourceType": "volume", "Tags": OTHERS}],
    )["VolumeId"]
    aws.settings(kms_key_arn=KEY, workers=1, homes_disk_gb=7)
    aws.playbook("provision")
    _check_key(aws)
    volume = _homes(ec2)
    assert volume["Size"] == 7
    assert volume["Encrypted"]
    assert volume["AvailabilityZone"] == f"{REGION}b"
    master = aws.instances()["fruits-master"]
    assert _attached_to(volume) == master["InstanceId"]
    (disk,) = [d["Ebs"] for d in master["BlockDeviceMappings"] if d["DeviceName"] == "/dev/sdf"]
    assert not disk["DeleteOnTermination"]
    assert _volume_of_the_inventory(aws) == volume["VolumeId"]

    before = master["InstanceId"]
    ec2.modify_instance_attribute(InstanceId=before, DisableApiTermination={"Value": False})
    ec2.terminate_instances(InstanceIds=[before])
    aws.settings(kms_key_arn=KEY, workers=1, homes_disk_gb=0)  # it is attached all the same
    aws.playbook("provision")
    after = _homes(ec2)
    assert after["VolumeId"] == volume["VolumeId"]
    assert _attached_to(after) == aws.instances()["fruits-master"]["InstanceId"] != before

    aws.playbook("teardown")
    (left,) = ec2.describe_volumes(Filters=[{"Name": "tag:fruits:role", "Values": ["homes"]}])[
        "Volumes"
    ]
    assert left["VolumeId"] == other


def _homes(ec2: Any) -> dict[str, Any]:
    tags = {"tag:fruits:cluster": "fruits", "tag:fruits:role": "homes"}
    filters = [{"Name": name, "Values": [value]} for name, value in tags.items()]
    (volume,) = ec2.describe_volumes(Filters=filters)["Volumes"]
    return dict(volume)


def _volume_of_the_inventory(aws: Aws) -> str:
    """The variable by which deploy.yml knows which of the master's disks has the homes."""
    words = ("spark_master", "--playbook-dir", "ansible", "-m", "debug", "-a", "var=homes_volume")
    output = subprocess.run(
        [Path(sys.executable).with_name("ansible"), *words],
        cwd=aws.site,
        env=aws.environ,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return output.partition("homes_volume: ")[2].strip()


def _attached_to(volume: dict[str, Any]) -> str:
    (attachment,) = volume["Attachments"]
    assert attachment["Device"] == "/dev/sdf"
    return str(attachment["InstanceId"])


def _check_key(aws: Aws) -> None:
    bucket = {"Bucket": SETTINGS["bucket"]}
    encryption = aws.client("s3").get_bucket_encryption(**bucket)
    (rule,) = encryption["ServerSideEncryptionConfiguration"]["Rules"]
    by_default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}
    assert rule["ApplyServerSideEncryptionByDefault"] == by_default
    assert rule["BucketKeyEnabled"]
    role = {"RoleName": "fruits-eu-west-3-host"}
    policy = aws.client("iam").get_role_policy(**role, PolicyName="bucket")["PolicyDocument"]
    policy = json.loads(policy) if isinstance(policy, str) else policy
    service = {"kms__ViaService": f"s3.{REGION}.amazonaws.com"}
    assert iam_rules.allows(policy, "kms:Decrypt", KEY, **service)
    disks = aws.client("ec2").describe_volumes(
        Filters=[{"Name": "size", "Values": ["7", "30", "40"]}]
    )
    assert len(disks["Volumes"]) == 3
    assert {disk.get("KmsKeyId") for disk in disks["Volumes"]} == {KEY}
    (parameter,) = aws.client("ssm").describe_parameters()["Parameters"]
    assert parameter["KeyId"] == KEY
