"""The playbooks when AWS launches or deletes hosts late, partly, or not at all."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from faulty_ec2 import Faults, Refusal, Request, faulty_ec2

from deploy.aws import Aws


@contextmanager
def behind(aws: Aws, faults: Faults) -> Iterator[Aws]:
    """The mock AWS with faults."""
    with faulty_ec2(aws.url, faults) as url:
        yield replace(aws, url=url)


class BadKey(Faults):
    """worker-1 gets another type, as c7i.xlarge is out; worker-2 ends after «pending»."""

    def __init__(self, aws: Aws) -> None:
        super().__init__()
        self.ec2 = aws.client("ec2")

    def before(self, request: Request) -> Refusal | None:
        if request["Action"] == "RunInstances" and request["InstanceType"] == "c7i.xlarge":
            return 400, "InsufficientInstanceCapacity", "We do not have sufficient capacity."
        return None

    def after(self, request: Request, answer: str) -> str:
        if request["Action"] == "RunInstances" and "fruits-worker-2" in request.values():
            self.ec2.terminate_instances(InstanceIds=re.findall("<instanceId>(.*?)<", answer))
        answer = re.sub("Client.UserInitiatedShutdown: [^<]*", "Client error on launch", answer)
        return answer.replace("Client.UserInitiatedShutdown", "Client.InternalError")


def test_hosts_that_do_not_run_are_said_and_launched_by_the_next_run(aws: Aws) -> None:
    aws.settings(worker_types=["c6i.xlarge"])
    with behind(aws, BadKey(aws)) as faulty:
        output = faulty.playbook("provision", check=False)
    assert "1 of 3 hosts are not running" in output
    assert "fruits-worker-2: AWS could not start it" in output
    assert "(InternalError): terminated: Client error on launch" in output
    assert "Running, and billed: fruits-master, fruits-worker-1" in output
    assert "The hosts are running" not in output
    assert aws.instances()["fruits-worker-1"]["InstanceType"] == "c6i.xlarge"

    output = aws.playbook("deploy", check=False)
    assert "1 of 2 workers exist" in output
    assert "allow_missing_workers=true" in output
    output = aws.playbook("deploy", "-e", "allow_missing_workers=true", check=False)
    assert "this machine has no images to deploy" in output

    before = aws.instances()
    assert "The hosts are running" in aws.playbook("provision", "-e", "replace=fruits-master")
    after = aws.instances()
    assert set(after) == {"fruits-master", "fruits-worker-1", "fruits-worker-2"}
    assert after["fruits-master"]["InstanceId"] != before["fruits-master"]["InstanceId"]
    assert after["fruits-worker-1"]["InstanceId"] == before["fruits-worker-1"]["InstanceId"]


def test_types_are_checked_before_the_user_is_asked(aws: Aws) -> None:
    aws.settings(worker_type="c7a.xlarge")  # which Paris does not have
    output = aws.playbook("provision", check=False)
    assert "eu-west-3b does not offer c7a.xlarge" in output
    assert "Ask for confirmation" not in output
    assert not aws.client("ec2").describe_key_pairs()["KeyPairs"]


def test_twins_are_not_touched_but_said(aws: Aws) -> None:
    ec2 = aws.client("ec2")
    tags = [{"Key": "fruits:cluster", "Value": "fruits"}, {"Key": "Name", "Value": "fruits-master"}]
    for _ in range(2):
        ec2.run_instances(
            ImageId="ami-0123456789abcdef0",
            MinCount=1,
            MaxCount=1,
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
        )
    output = " ".join(aws.playbook("provision", check=False).split())
    assert "two hosts have the same name" in output
    assert output.count("fruits-master is i-") >= 2

    vpcs = [ec2.create_vpc(CidrBlock="10.42.0.0/24")["Vpc"]["VpcId"] for _ in range(2)]
    ec2.create_tags(Resources=vpcs, Tags=tags[:1])
    for host in ec2.describe_instances()["Reservations"]:
        ec2.terminate_instances(InstanceIds=[host["Instances"][0]["InstanceId"]])
    output = " ".join(aws.playbook("provision", check=False).split())
    assert "the cluster has two VPCs" in output
    assert all(vpc in output for vpc in vpcs)


class SlowDeletions(Faults):
    """AWS needs some time to delete the endpoint, and to release the hosts' interfaces."""

    def __init__(self) -> None:
        super().__init__()
        self.endpoint, self.listed = "", 0

    def before(self, request: Request) -> Refusal | None:
        action = request["Action"]
        late = ("DeleteSecurityGroup", "DeleteSubnet", "DeleteVpc", "DetachInternetGateway")
        if action in late and len(self.sent(action)) < 3:
            return 400, "DependencyViolation", "resource has a dependent object"
        return None

    def after(self, request: Request, answer: str) -> str:
        """The endpoint is listed as `deleting` twice after its deletion."""
        if request["Action"] != "DescribeVpcEndpoints":
            return answer
        if not self.sent("DeleteVpcEndpoints"):
            self.endpoint = answer
            return answer
        self.listed += 1
        if self.listed > 2:
            return answer
        return re.sub("<state>.*?</state>", "<state>deleting</state>", self.endpoint)


def test_teardown_finds_and_waits_for_everything(aws: Aws) -> None:
    ec2, ecr = aws.client("ec2"), aws.client("ecr")
    _create_cluster(ec2)
    for name in ("fruits/jupyterhub", "fruits/of-an-earlier-version", "fruits-2/jupyterhub"):
        ecr.create_repository(repositoryName=name)
    aws.settings(network_cidr="10.77.0.0/24", subnet_id="", workers=1, availability_zone="")
    faults = SlowDeletions()
    with behind(aws, faults) as faulty:
        faulty.playbook("teardown", "-e", "aws_network_wait_seconds=1")
    hosts = [h for r in ec2.describe_instances()["Reservations"] for h in r["Instances"]]
    assert {host["State"]["Name"] for host in hosts} == {"terminated"}
    assert _tagged(ec2) == {}
    (kept,) = ecr.describe_repositories()["repositories"]
    assert kept["repositoryName"] == "fruits-2/jupyterhub"
    assert len(faults.sent("DeleteSubnet")) == 3
    assert faults.listed == 3


def _create_cluster(ec2: Any) -> None:
    """What provision.yml creates in EC2, with a worker that is stopped."""
    tags = [{"Key": "fruits:cluster", "Value": "fruits"}]
    vpc = ec2.create_vpc(CidrBlock="10.42.0.0/24")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.42.0.0/24")["Subnet"]["SubnetId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    service = "com.amazonaws.eu-west-3.s3"
    ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName=service, RouteTableIds=[table], VpcEndpointType="Gateway"
    )
    group = ec2.create_security_group(GroupName="fruits", Description="fruits", VpcId=vpc)
    ec2.create_tags(Resources=[vpc, subnet, gateway, table, group["GroupId"]], Tags=tags)
    hosts = {}
    for role in ("master", "worker"):
        its = [*tags, {"Key": "Name", "Value": role}, {"Key": "fruits:role", "Value": role}]
        (host,) = ec2.run_instances(
            ImageId="ami-0123456789abcdef0",
            MinCount=1,
            MaxCount=1,
            SubnetId=subnet,
            SecurityGroupIds=[group["GroupId"]],
            TagSpecifications=[{"ResourceType": "instance", "Tags": its}],
        )["Instances"]
        hosts[role] = host["InstanceId"]
    protection = {"DisableApiTermination": {"Value": True}}
    ec2.modify_instance_attribute(InstanceId=hosts["master"], **protection)
    ec2.stop_instances(InstanceIds=[hosts["worker"]])


def _tagged(ec2: Any) -> dict[str, list[Any]]:
    """What is left of the cluster's network, by kind."""
    tagged = [{"Name": "tag-key", "Values": ["fruits:cluster"]}]
    kinds = ("vpcs", "subnets", "security_groups", "internet_gateways", "route_tables")
    found = {
        kind: getattr(ec2, f"describe_{kind}")(Filters=tagged)[
            "".join(word.title() for word in kind.split("_"))
        ]
        for kind in kinds
    }
    return {kind: items for kind, items in found.items() if items}


def test_the_network_of_another_range_is_refused(aws: Aws) -> None:
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.42.0.0/24")["Vpc"]["VpcId"]
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": "fruits:cluster", "Value": "fruits"}])
    aws.settings(network_cidr="10.77.0.0/24")
    output = " ".join(aws.playbook("provision", check=False).split())
    assert f"VPC {vpc} has the addresses 10.42.0.0/24" in output
    assert (
        len(ec2.describe_vpcs(Filters=[{"Name": "cidr", "Values": ["10.77.0.0/24"]}])["Vpcs"]) == 0
    )
