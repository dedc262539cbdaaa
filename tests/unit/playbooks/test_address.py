"""A Hub with a name has an address that stays with the cluster; others' addresses stay theirs."""

import re
from pathlib import Path
from typing import Any

import boto3
import pytest
from plays import play

REGION = "eu-west-3"


class Lab:
    """A cluster with nothing but a master, in moto."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ec2 = boto3.client("ec2", REGION)
        self.theirs = self.ec2.allocate_address(Domain="vpc")
        self.before = self.addresses()
        self.launch()

    def launch(self) -> None:
        asked = {"MinCount": 1, "MaxCount": 1, "ImageId": "ami-12c6146b"}
        self.master = self.ec2.run_instances(**asked)["Instances"][0]["InstanceId"]

    def give_theirs(self) -> None:
        self.ec2.associate_address(InstanceId=self.master, AllocationId=self.theirs["AllocationId"])

    def run(self, *parts: str, domain: str = "fruits.example.org", public: bool = True) -> str:
        """Run these parts of the role (known, main, absent); returns the output."""
        (found,) = self.ec2.describe_instances(InstanceIds=[self.master])["Reservations"]
        host = {
            "instance_id": self.master,
            "tags": {"fruits:role": "master"},
            "state": {"name": "running"},
            "public_ip_address": found["Instances"][0].get("PublicIpAddress") if public else None,
        }
        settings = {
            **{"region": REGION, "cluster_name": "lab", "hub_domain": domain},
            **{"aws_tags": {"fruits:cluster": "lab"}, "aws_hosts_states": {"instances": [host]}},
        }
        roles = [
            {"ansible.builtin.include_role": {"name": "aws_address", "tasks_from": part}}
            for part in parts
        ]
        environ = {"AWS_DEFAULT_REGION": REGION}
        output = play(self.folder, {"localhost": settings}, *roles, environ=environ).stdout
        assert "failed=0" in output, output
        return output

    def addresses(self) -> set[str]:
        return {address["PublicIp"] for address in self.ec2.describe_addresses()["Addresses"]}

    def address(self) -> dict[str, Any]:
        """What the master is reached by, an address that stays."""
        of_master = [{"Name": "instance-id", "Values": [self.master]}]
        (found,) = self.ec2.describe_addresses(Filters=of_master)["Addresses"]
        return dict(found)


@pytest.fixture
def lab(s3: Any, tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_it_follows_the_master_and_ends_with_the_name(lab: Lab) -> None:
    lab.run("main")
    made = lab.address()
    assert made["PublicIp"] not in lab.before
    tags = {tag["Key"]: tag["Value"] for tag in made["Tags"]}
    assert tags == {"fruits:cluster": "lab", "Name": "lab-hub"}
    assert re.search("changed=0 ", lab.run("main"))

    lab.ec2.terminate_instances(InstanceIds=[lab.master])
    lab.launch()
    lab.run("main", public=False)  # a subnet that gives hosts no address of their own
    assert lab.address()["PublicIp"] == made["PublicIp"]

    lab.run("main", domain="")
    assert lab.addresses() == lab.before
    assert re.search("changed=0 ", lab.run("main", domain=""))


def test_teardown_releases_it(lab: Lab) -> None:
    lab.run("main")
    lab.ec2.terminate_instances(InstanceIds=[lab.master])
    lab.run("absent")
    assert lab.addresses() == lab.before


def test_what_the_team_has_given_the_master_is_kept(lab: Lab) -> None:
    lab.give_theirs()
    lab.run("main")
    assert lab.address()["PublicIp"] == lab.theirs["PublicIp"]
    assert lab.addresses() == lab.before
    lab.run("main", domain="")
    lab.run("absent")
    assert lab.address()["PublicIp"] == lab.theirs["PublicIp"]


def test_a_private_master_gets_none(lab: Lab) -> None:
    lab.run("main", public=False)
    assert lab.addresses() == lab.before
