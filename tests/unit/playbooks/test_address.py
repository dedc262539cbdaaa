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

    def run(
        self,
        part: str = "main",
        domain: str = "fruits.example.org",
        public: bool = True,
        former: str | None = None,
    ) -> str:
        """Run the role (or its part `absent`), in place of a `former` master that is terminated
        in between; returns the output."""
        settings = {
            **{"region": REGION, "cluster_name": "lab", "hub_domain": domain},
            "aws_tags": {"fruits:cluster": "lab"},
            "aws_hosts_all": {"instances": [self._host(former or self.master, public)]},
            "aws_hosts_states": {"instances": [self._host(self.master, public)]},
            **{"aws_address_wait_times": 1, "aws_address_wait_seconds": 0},
        }
        end = {"instance_ids": [former], "state": "absent", "wait": False}
        tasks: list[dict[str, Any]] = [
            {"ansible.builtin.include_role": {"name": "aws_address", "tasks_from": "known"}},
            *([{"amazon.aws.ec2_instance": end}] if former else []),
            {"ansible.builtin.include_role": {"name": "aws_address", "tasks_from": part}},
        ]
        environ = {"AWS_DEFAULT_REGION": REGION}
        return play(self.folder, {"localhost": settings}, *tasks, environ=environ).stdout

    def _host(self, host: str, public: bool) -> dict[str, Any]:
        (found,) = self.ec2.describe_instances(InstanceIds=[host])["Reservations"]
        address = found["Instances"][0].get("PublicIpAddress")
        return {
            "instance_id": host,
            "tags": {"fruits:role": "master"},
            "state": {"name": "running"},
            "public_ip_address": address if public else None,
            "private_ip_address": "10.42.0.4",
        }

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


def changed(output: str) -> int:
    """How many tasks changed something, none of which failed."""
    assert "failed=0" in output, output
    return int(re.findall(r"changed=(\d+) ", output)[0])


def test_it_follows_the_master_and_ends_with_the_name(lab: Lab) -> None:
    output = lab.run()
    made = lab.address()
    assert changed(output) == 1
    assert f"fruits.example.org in DNS must have the address {made['PublicIp']}" in output
    assert made["PublicIp"] not in lab.before
    tags = {tag["Key"]: tag["Value"] for tag in made["Tags"]}
    assert tags == {"fruits:cluster": "lab", "Name": "lab-hub"}
    assert changed(lab.run()) == 0

    former = lab.master
    lab.launch()
    changed(lab.run(former=former, public=False))  # a subnet that gives hosts no address
    assert lab.address()["PublicIp"] == made["PublicIp"]

    assert changed(lab.run(domain="")) == 2
    assert lab.addresses() == lab.before
    assert changed(lab.run(domain="")) == 0


def test_teardown_releases_it(lab: Lab) -> None:
    lab.run()
    lab.ec2.terminate_instances(InstanceIds=[lab.master])
    changed(lab.run("absent"))
    assert lab.addresses() == lab.before


def test_what_the_team_has_given_the_master_is_kept(lab: Lab) -> None:
    lab.give_theirs()
    output = lab.run()
    assert changed(output) == 0
    assert f"must have the address {lab.theirs['PublicIp']}" in output
    former = lab.master
    lab.launch()
    changed(lab.run(former=former))
    assert lab.address()["PublicIp"] == lab.theirs["PublicIp"]
    assert lab.addresses() == lab.before
    changed(lab.run(domain=""))
    changed(lab.run("absent"))
    assert lab.address()["PublicIp"] == lab.theirs["PublicIp"]


def test_the_clusters_own_is_released_once_the_team_gives_the_master_another(lab: Lab) -> None:
    changed(lab.run())
    lab.ec2.disassociate_address(AssociationId=lab.address()["AssociationId"])
    lab.give_theirs()
    changed(lab.run())
    assert lab.address()["PublicIp"] == lab.theirs["PublicIp"]
    assert lab.addresses() == lab.before


def test_a_private_master_gets_none(lab: Lab) -> None:
    output = lab.run(public=False)
    assert changed(output) == 0
    assert "must have the address 10.42.0.4" in output
    assert lab.addresses() == lab.before


def test_of_two_addresses_somebody_must_choose_one(lab: Lab) -> None:
    tags = [{"Key": "fruits:cluster", "Value": "lab"}]
    spec = [{"ResourceType": "elastic-ip", "Tags": tags}]
    for _ in range(2):  # as two operators at the same time would
        lab.ec2.allocate_address(Domain="vpc", TagSpecifications=spec)
    assert "both claim to be the address of lab" in " ".join(lab.run().split())
