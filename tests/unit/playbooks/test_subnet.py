"""A given subnet must be in the region itself, not in what belongs to it elsewhere."""

from pathlib import Path

import boto3
import pytest
from deploy.playbooks import aws_environ
from faulty_ec2 import Faults, Request, faulty_ec2
from plays import play

ARN = "arn:aws:outposts:eu-west-3:123456789012:outpost/op-0123456789abcdef0"


class Subnet(Faults):
    """A subnet as AWS describes it, in a zone or on an Outpost that moto does not have."""

    def __init__(self, zone: str, outpost: str) -> None:
        super().__init__()
        self.zone, self.outpost = zone, outpost

    def after(self, request: Request, answer: str) -> str:
        if request["Action"] != "DescribeSubnets":
            return answer
        zone = "<availabilityZone>eu-west-3a</availabilityZone>"
        assert zone in answer
        place = f"<availabilityZone>{self.zone}</availabilityZone>"
        return answer.replace(zone, place + (self.outpost and f"<outpostArn>{ARN}</outpostArn>"))


@pytest.mark.parametrize(
    ("zone", "outpost", "message"),
    [
        ("eu-west-3a", "", ""),
        ("eu-west-3-lon-1a", "", "is in eu-west-3-lon-1a, which may be outside"),
        ("eu-west-3-wl1-cdg-wlz1", "", "is in eu-west-3-wl1-cdg-wlz1, which may be outside"),
        ("eu-west-3a", ARN, "is in eu-west-3a on an Outpost, which may be outside"),
    ],
)
def test_the_zone_of_a_subnet(
    zone: str,
    outpost: str,
    message: str,
    s3_endpoint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ec2 = boto3.client("ec2", region_name="eu-west-3")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24", AvailabilityZone="eu-west-3a")[
        "Subnet"
    ]["SubnetId"]
    settings = {
        "region": "eu-west-3",
        "cluster_name": "fruits",
        "subnet_id": subnet,
        "network_cidr": "10.42.0.0/24",
        "availability_zone": "",
    }
    known = {
        "ansible.builtin.include_role": {"name": "aws_network", "tasks_from": "known"},
    }
    with faulty_ec2(s3_endpoint, Subnet(zone, outpost)) as url:
        for name, value in aws_environ(url).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_REGION", "eu-west-3")
        done = play(tmp_path, {"localhost": settings}, known)
    output = " ".join(done.stdout.split())
    assert (done.returncode == 0) == (not message), done.stdout
    assert message in output
