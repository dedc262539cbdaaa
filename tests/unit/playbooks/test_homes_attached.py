"""The volume of the homes is made once, follows the master, and goes only with the cluster."""

import re
from pathlib import Path
from typing import Any

import boto3
import pytest
from places import ROOT
from plays import play

ZONE = "eu-west-3b"


@pytest.mark.usefixtures("s3")
def test_the_volume_follows_the_master(tmp_path: Path) -> None:
    ec2 = boto3.client("ec2", "eu-west-3")

    def launch() -> dict[str, Any]:
        host = ec2.run_instances(
            MinCount=1, MaxCount=1, ImageId="ami-12c6146b", Placement={"AvailabilityZone": ZONE}
        )["Instances"][0]
        return {
            "instance_id": host["InstanceId"],
            "tags": {"fruits:role": "master"},
            "placement": {"availability_zone": ZONE},
            "state": {"name": "running"},
        }

    def run(tasks: str, **changed: Any) -> str:
        variables = {
            "region": "eu-west-3", "cluster_name": "lab", "homes_disk_gb": 7, "kms_key_arn": "",
            "aws_tags": {"fruits:cluster": "lab"}, "aws_homes_wait_seconds": 0,
            "aws_homes_wait_times": 1,
        }  # fmt: skip
        known = {"name": "aws_homes", "tasks_from": "known"}
        done = play(
            tmp_path,
            {"localhost": variables | changed},
            {"ansible.builtin.include_role": known},
            {"ansible.builtin.include_role": {"name": "aws_homes", "tasks_from": tasks}},
            environ={
                "AWS_DEFAULT_REGION": "eu-west-3",
                "ANSIBLE_LIBRARY": str(ROOT / "ansible" / "library"),
            },
        )
        return done.stdout

    def volumes() -> list[Any]:
        found = ec2.describe_volumes(Filters=[{"Name": "tag:fruits:cluster", "Values": ["lab"]}])
        return list(found["Volumes"])

    master = launch()
    assert "failed=0" in run("main", aws_hosts_states={"instances": [master]})
    (made,) = volumes()
    assert made["Attachments"][0]["InstanceId"] == master["instance_id"]
    assert (made["Size"], made["Encrypted"], made["AvailabilityZone"]) == (7, True, ZONE)
    output = run("main", aws_hosts_states={"instances": [master]})
    assert re.search(r"changed=0 .*failed=0", output), output

    ec2.terminate_instances(InstanceIds=[master["instance_id"]])
    successor = launch()
    # It is attached even if the setting no longer asks for it.
    run("main", aws_hosts_states={"instances": [successor]}, homes_disk_gb=0)
    (kept,) = volumes()
    assert kept["VolumeId"] == made["VolumeId"]
    assert kept["Attachments"][0]["InstanceId"] == successor["instance_id"]

    assert "set the zone or" in run("known", aws_hosts_zone="eu-west-3a")
    ec2.terminate_instances(InstanceIds=[successor["instance_id"]])
    run("absent")
    assert volumes() == []
