"""The module that launches hosts, against moto with the errors of AWS."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from deploy.playbooks import aws_environ, aws_server
from faulty_ec2 import Faults, Refusal, Request, faulty_ec2
from places import ROOT

REGION = "eu-west-3"
INVISIBLE = (
    *(400, "InvalidParameterValue"),
    "Value (fruits) for parameter iamInstanceProfile.name is invalid. "
    "Invalid IAM Instance Profile name",
)
NO_CAPACITY = (
    *(500, "InsufficientInstanceCapacity"),
    "We currently do not have sufficient c7i.xlarge capacity in zone eu-west-3b.",
)


class Refuse(Faults):
    """Refuse launches: of some types, or the first ones, or all."""

    def __init__(self, refusal: Refusal, types: tuple[str, ...] = (), times: int = 1000) -> None:
        super().__init__()
        self.refusal, self.types, self.times = refusal, types, times

    def before(self, request: Request) -> Refusal | None:
        if request["Action"] != "RunInstances":
            return None
        if self.types and request["InstanceType"] not in self.types:
            return None
        self.times -= 1
        return self.refusal if self.times >= 0 else None


class AtOnce(Faults):
    """What the slower of two runs at once sees: at first, no host exists."""

    def after(self, request: Request, answer: str) -> str:
        if request["Action"] == "DescribeInstances" and len(self.sent("DescribeInstances")) == 1:
            return answer.replace("<reservationSet>", "<ignored>").replace(
                "</reservationSet>", "</ignored><reservationSet/>"
            )
        return answer


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with aws_server(tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.fixture
def account(moto: str) -> "Account":
    return Account(moto)


class Account:
    """An empty account with a network, and what ec2_launch needs."""

    def __init__(self, url: str) -> None:
        self.url = url
        keys: Any = {"aws_access_key_id": "operator", "aws_secret_access_key": "secret"}
        reset = urllib.request.Request(f"{url}/moto-api/reset", method="POST")
        urllib.request.urlopen(reset, timeout=10).close()
        self.ec2 = boto3.client("ec2", REGION, endpoint_url=url, **keys)
        iam = boto3.client("iam", REGION, endpoint_url=url, **keys)
        iam.create_instance_profile(InstanceProfileName="fruits")
        vpc = self.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        self.subnet = self.ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"][
            "SubnetId"
        ]
        self.group = self.ec2.create_security_group(
            GroupName="fruits", Description="fruits", VpcId=vpc
        )["GroupId"]

    def launch(self, faults: Faults | None = None, **changes: Any) -> dict[str, Any]:
        types = ["c7i.xlarge", "c6i.xlarge"]
        worker = {"role": "worker", "types": types, "disk_gb": 30}
        options = {
            "region": REGION,
            "cluster": "fruits",
            "hosts": [
                {**worker, "name": "master", "types": ["m7i-flex.large"], "protected": True},
                {**worker, "name": "worker-1"},
                {**worker, "name": "worker-2"},
            ],
            "tags": {"fruits:cluster": "fruits"},
            "image_id": "ami-0123456789abcdef0",
            "key_name": "fruits",
            "iam_instance_profile": "fruits",
            "subnet_id": self.subnet,
            "security_group_id": self.group,
            "root_volume": {"device_name": "/dev/xvda", "ebs": {"encrypted": True}},
            "metadata_options": {"http_tokens": "required"},
            **changes,
        }
        with faulty_ec2(self.url, faults or Faults()) as url:
            done = subprocess.run(
                [sys.executable, ROOT / "ansible" / "library" / "ec2_launch.py"],
                input=json.dumps({"ANSIBLE_MODULE_ARGS": options}),
                env=aws_environ(url),
                text=True,
                capture_output=True,
                check=False,
            )
        assert done.returncode == 0, done.stdout + done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def hosts(self) -> dict[str, Any]:
        """The hosts that are not terminated, by name: no two have the same."""
        hosts = [
            host
            for reservation in self.ec2.describe_instances()["Reservations"]
            for host in reservation["Instances"]
            if host["State"]["Name"] != "terminated"
        ]
        by_name = {tag["Value"]: h for h in hosts for tag in h["Tags"] if tag["Key"] == "Name"}
        assert len(by_name) == len(hosts)
        return by_name


def test_the_hosts_are_launched_once(account: Account) -> None:
    result = account.launch()
    assert result["changed"]
    assert [(h["name"], h["type"]) for h in result["launched"]] == [
        ("master", "m7i-flex.large"),
        ("worker-1", "c7i.xlarge"),
        ("worker-2", "c7i.xlarge"),
    ]
    protected = {
        name: account.ec2.describe_instance_attribute(
            InstanceId=host["InstanceId"], Attribute="disableApiTermination"
        )["DisableApiTermination"]["Value"]
        for name, host in account.hosts().items()
    }
    assert protected == {"master": True, "worker-1": False, "worker-2": False}
    again = account.launch()
    assert (again["changed"], again["launched"], again["missing"]) == (False, [], [])


def test_an_instance_profile_that_is_not_visible_yet(account: Account) -> None:
    faults = Refuse(INVISIBLE, times=2)
    result = account.launch(faults)
    assert set(account.hosts()) == {"master", "worker-1", "worker-2"}
    assert not result["missing"]
    assert len(faults.sent("RunInstances")) == 5


@pytest.mark.parametrize(
    "refusal",
    [
        (403, "UnauthorizedOperation", "You are not authorized to perform this operation."),
        (401, "AuthFailure", "AWS was not able to validate the provided access credentials"),
        (400, "InvalidParameterValue", "Value (1) for parameter volumeSize is invalid."),
    ],
)
def test_an_error_that_time_does_not_mend_ends_the_launch(
    account: Account, refusal: Refusal
) -> None:
    faults = Refuse(refusal, ("c7i.xlarge",))
    result = account.launch(faults)
    assert [r["InstanceType"] for r in faults.sent("RunInstances")] == [
        "m7i-flex.large",
        "c7i.xlarge",
    ]
    assert [h["name"] for h in result["launched"]] == ["master"]
    assert [(m["name"], m["code"]) for m in result["missing"]] == [
        ("worker-1", refusal[1]),
        ("worker-2", ""),
    ]


@pytest.mark.parametrize(
    "refusal",
    [
        NO_CAPACITY,
        (400, "Unsupported", "Your requested instance type (c7i.xlarge) is not supported"),
        (400, "SpotMaxPriceTooLow", "Your Spot request price is lower than the minimum"),
        (400, "MaxSpotInstanceCountExceeded", "Max spot instance count exceeded"),
        (400, "VcpuLimitExceeded", "You have requested more vCPU capacity than your limit"),
    ],
)
def test_the_next_type_when_one_is_not_available(account: Account, refusal: Refusal) -> None:
    faults = Refuse(refusal, ("c7i.xlarge",))
    result = account.launch(faults)
    assert not result["missing"]
    kinds = {name: host["InstanceType"] for name, host in account.hosts().items()}
    assert kinds == {
        "master": "m7i-flex.large",
        "worker-1": "c6i.xlarge",
        "worker-2": "c6i.xlarge",
    }
    asked = [r["ClientToken"] for r in faults.sent("RunInstances") if "c7i" in r["InstanceType"]]
    assert len(set(asked)) == 1  # not once more for the second worker


def test_what_can_be_launched_is(account: Account) -> None:
    result = account.launch(Refuse(NO_CAPACITY, ("c7i.xlarge", "c6i.xlarge")))
    assert set(account.hosts()) == {"master"}
    assert [(m["name"], m["code"]) for m in result["missing"]] == [
        ("worker-1", "InsufficientInstanceCapacity"),
        ("worker-2", "InsufficientInstanceCapacity"),
    ]
    account.launch()
    assert set(account.hosts()) == {"master", "worker-1", "worker-2"}


def test_no_workers_without_a_master(account: Account) -> None:
    result = account.launch(Refuse(NO_CAPACITY, ("m7i-flex.large",)))
    assert account.hosts() == {}
    assert [m["name"] for m in result["missing"]] == ["master", "worker-1", "worker-2"]


def test_two_runs_at_once_launch_one_host(account: Account) -> None:
    one, other = AtOnce(), AtOnce()
    first = account.launch(one)
    account.launch(other)
    tokens = [[r["ClientToken"] for r in run.sent("RunInstances")] for run in (one, other)]
    assert tokens[0] == tokens[1]  # AWS launches one host per token; moto does not know tokens
    assert len(set(tokens[0])) == 3
    assert {h["instance_id"] for h in first["launched"]} == {
        host["InstanceId"] for host in account.hosts().values()
    }


def test_the_younger_twins_are_ended_by_the_run_that_launched_them(account: Account) -> None:
    first = account.launch(AtOnce())
    second = account.launch(AtOnce(), image_id="ami-0123456789abcdef1")
    assert second["launched"] == []
    assert [h["name"] for h in second["ended"]] == ["master", "worker-1", "worker-2"]
    assert {h["instance_id"] for h in first["launched"]} == {
        host["InstanceId"] for host in account.hosts().values()
    }


def test_a_host_that_was_terminated_is_launched_anew(account: Account) -> None:
    faults = Faults()
    account.launch(faults)
    worker = account.hosts()["worker-1"]["InstanceId"]
    account.ec2.terminate_instances(InstanceIds=[worker])
    account.launch(faults)
    tokens = [request["ClientToken"] for request in faults.sent("RunInstances")]
    assert len(tokens) == len(set(tokens)) == 4
    assert set(account.hosts()) == {"master", "worker-1", "worker-2"}


def test_spot_workers_and_their_tags(account: Account) -> None:
    faults = Faults()
    worker = {"name": "worker-1", "role": "worker", "types": ["c7i.xlarge"], "disk_gb": 30}
    account.launch(faults, hosts=[{**worker, "spot": True}])
    (request,) = faults.sent("RunInstances")
    assert request["InstanceMarketOptions.MarketType"] == "spot"
    assert request["InstanceMarketOptions.SpotOptions.SpotInstanceType"] == "one-time"
    assert {v for k, v in request.items() if k.endswith(".ResourceType")} == {
        "instance",
        "volume",
        "network-interface",
        "spot-instances-request",
    }
    assert account.hosts()["worker-1"]["InstanceLifecycle"] == "spot"
