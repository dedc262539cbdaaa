"""The security group of a cluster whose hosts Session Manager reaches lets nobody in."""

from pathlib import Path

import boto3
import pytest
from plays import play


@pytest.mark.usefixtures("s3")
def test_the_rule_for_ssh_goes(tmp_path: Path) -> None:
    ec2 = boto3.client("ec2", "eu-west-3")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24", AvailabilityZone="eu-west-3a")
    group = ec2.create_security_group(
        GroupName="rules", Description="Hosts of cluster rules", VpcId=vpc
    )["GroupId"]
    everybody = [{"CidrIp": "203.0.113.7/32", "Description": "SSH from the operator"}]
    ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": everybody}],
    )
    settings = {
        "region": "eu-west-3", "cluster_name": "rules", "network_cidr": "10.42.0.0/24",
        "subnet_id": subnet["Subnet"]["SubnetId"], "availability_zone": "",
        "aws_hosts_zone": "eu-west-3a", "aws_tags": {"fruits:cluster": "rules"},
        "connect": "ssm", "ssh_from": ["203.0.113.7/32"], "hub_domain": "", "hub_from": [],
    }  # fmt: skip
    network = {"ansible.builtin.include_role": {"name": "aws_network"}}
    environ = {"AWS_DEFAULT_REGION": "eu-west-3"}
    done = play(tmp_path, {"localhost": settings}, network, network, environ=environ)
    assert done.returncode == 0, done.stdout
    assert "changed=1 " in done.stdout  # not by the second call
    (described,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    (among,) = described["IpPermissions"]
    assert among["IpProtocol"] == "-1"
    assert [pair["GroupId"] for pair in among["UserIdGroupPairs"]] == [group]
