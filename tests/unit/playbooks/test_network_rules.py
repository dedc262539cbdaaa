"""What the security group lets in, as the way to the hosts changes."""

from pathlib import Path
from typing import Any

import boto3
import pytest
from plays import play

AMONG = ("-1", None)
SSH = ("tcp", 22)


@pytest.mark.usefixtures("s3")
def test_the_rule_for_ssh_comes_and_goes(tmp_path: Path) -> None:
    ec2 = boto3.client("ec2", "eu-west-3")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24", AvailabilityZone="eu-west-3a")
    settings: dict[str, Any] = {
        "region": "eu-west-3", "cluster_name": "rules", "network_cidr": "10.42.0.0/24",
        "subnet_id": subnet["Subnet"]["SubnetId"], "availability_zone": "",
        "aws_hosts_zone": "eu-west-3a", "aws_tags": {"fruits:cluster": "rules"},
    }  # fmt: skip
    network = {"ansible.builtin.include_role": {"name": "aws_network"}}

    def rules(**changed: Any) -> set[tuple[str, int | None]]:
        environ = {"AWS_DEFAULT_REGION": "eu-west-3"}
        done = play(tmp_path, {"localhost": settings | changed}, network, network, environ=environ)
        assert done.returncode == 0, done.stdout
        assert "changed=1" in done.stdout
        assert done.stdout.count("changed: [localhost]") == 1  # not by the second call
        named = [{"Name": "group-name", "Values": ["rules"]}]
        (group,) = ec2.describe_security_groups(Filters=named)["SecurityGroups"]
        return {(r["IpProtocol"], r.get("FromPort")) for r in group["IpPermissions"]}

    assert rules(connect="ssh", ssh_from=["203.0.113.7/32"]) == {AMONG, SSH}
    assert rules(connect="ssm", ssh_from=[]) == {AMONG}
    assert rules(connect="ssh", ssh_from=["203.0.113.7/32"]) == {AMONG, SSH}
