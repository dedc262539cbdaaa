"""provision.yml and teardown.yml against moto's AWS; what they made is read back with boto3."""

import json
import os
import socket
import stat
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError

from deploy.rehearsal import changes, make_site, playbook

pytestmark = pytest.mark.deploy
REGION = "eu-west-3"
AMI = {
    "ami_id": "ami-0123456789abcdef0",
    "name": "debian-13-amd64-20260901-2222",
    "owner_id": "136693071363",
    "creation_date": "2026-09-01T00:00:00.000Z",
    "architecture": "x86_64",
    "public": True,
    "state": "available",
    "virtualization_type": "hvm",
    "hypervisor": "xen",
    "root_device_name": "/dev/xvda",
    "root_device_type": "ebs",
    "image_type": "machine",
    "image_location": "136693071363/debian-13-amd64-20260901-2222",
    "description": "Debian 13",
    "platform": None,
    "sriov": "simple",
}
SETTINGS = {
    "region": REGION,
    "bucket": "rehearsal-of-fruits",
    "ssh_from": ["203.0.113.7/32"],
    "drain_minutes": 0,
}


@dataclass(frozen=True)
class Aws:
    """An AWS of our own, and a folder that speaks to it."""

    site: Path
    url: str

    def client(self, service: str, region: str = REGION) -> Any:
        return boto3.client(
            service,
            region,
            endpoint_url=self.url,
            aws_access_key_id="operator",
            aws_secret_access_key="secret",  # noqa: S106
        )

    def settings(self, **settings: object) -> None:
        file = self.site / "ansible" / "cluster.yml"
        file.write_text(yaml.safe_dump({**SETTINGS, **settings}))

    def playbook(self, name: str, *options: str, check: bool = True) -> str:
        return playbook(
            self.site,
            name,
            *("-e", "assume_yes=true", *options),
            check=check,
            AWS_ENDPOINT_URL=self.url,
            AWS_ACCESS_KEY_ID="operator",
            AWS_SECRET_ACCESS_KEY="secret",  # noqa: S106
        )

    def instances(self) -> dict[str, dict[str, Any]]:
        """The hosts that are not ended, by name."""
        found = self.client("ec2").describe_instances()["Reservations"]
        return {
            next(tag["Value"] for tag in each["Tags"] if tag["Key"] == "Name"): each
            for reservation in found
            for each in reservation["Instances"]
            if each["State"]["Name"] == "running"
        }

    def calls(self) -> list[str]:
        """What was asked of AWS so far, as host and path."""
        with urllib.request.urlopen(f"{self.url}/moto-api/data.json") as answer:
            return list(json.load(answer))


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[Aws]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (tmp_path / "amis.json").write_text(json.dumps([AMI]))
    server = subprocess.Popen(
        [Path(sys.executable).with_name("moto_server"), "-H", "127.0.0.1", "-p", str(port)],
        env={**os.environ, "MOTO_AMIS_PATH": str(tmp_path / "amis.json")},
        stdout=(tmp_path / "moto.log").open("w"),
        stderr=subprocess.STDOUT,
    )
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.2)
        site = tmp_path / "site"
        make_site(site)
        made = Aws(site, f"http://127.0.0.1:{port}")
        made.settings()
        yield made
    finally:
        server.terminate()
        server.wait(10)


def test_provision_makes_what_is_asked_for_and_nothing_twice(aws: Aws) -> None:
    aws.playbook("provision")
    _check_hosts(aws)
    _check_network(aws)
    _check_bucket(aws.client("s3"))
    _check_role(aws.client("iam"))
    _check_key(aws)
    assert changes(aws.playbook("provision")) == {"localhost": 0}


def _check_hosts(aws: Aws) -> None:
    hosts = aws.instances()
    assert set(hosts) == {"fruits-master", "fruits-worker-1", "fruits-worker-2"}
    ec2 = aws.client("ec2")
    for host in hosts.values():
        assert host["ImageId"] == AMI["ami_id"]
        assert host["MetadataOptions"]["HttpTokens"] == "required"
        assert host["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
        assert host["IamInstanceProfile"]["Arn"].endswith("/fruits-eu-west-3-host")
        disks = [disk["Ebs"]["VolumeId"] for disk in host["BlockDeviceMappings"]]
        volumes = ec2.describe_volumes(VolumeIds=disks)["Volumes"]
        assert volumes
        assert all(volume["Encrypted"] for volume in volumes)


def _check_network(aws: Aws) -> None:
    (group,) = {g["GroupId"] for h in aws.instances().values() for g in h["SecurityGroups"]}
    (found,) = aws.client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"]
    rules = {}
    for rule in found["IpPermissions"]:
        assert not rule["Ipv6Ranges"]
        sources = {each["CidrIp"] for each in rule["IpRanges"]}
        sources |= {each["GroupId"] for each in rule["UserIdGroupPairs"]}
        rules[rule["IpProtocol"], rule.get("FromPort"), rule.get("ToPort")] = sources
    among = rules.pop(("-1", None, None), None) or rules.pop(("-1", -1, -1))
    assert among == {group}
    assert rules == {("tcp", 22, 22): {"203.0.113.7/32"}}


def _check_bucket(s3: Any) -> None:
    bucket = {"Bucket": SETTINGS["bucket"]}
    assert s3.get_bucket_location(**bucket)["LocationConstraint"] == REGION
    (rule,) = s3.get_bucket_encryption(**bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert s3.get_bucket_versioning(**bucket)["Status"] == "Enabled"
    assert all(s3.get_public_access_block(**bucket)["PublicAccessBlockConfiguration"].values())
    (statement,) = json.loads(s3.get_bucket_policy(**bucket)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    rules = {r["ID"]: r for r in s3.get_bucket_lifecycle_configuration(**bucket)["Rules"]}
    assert rules["old-versions"]["NoncurrentVersionExpiration"]["NoncurrentDays"] == 30
    assert rules["backups"]["Expiration"]["Days"] == 30
    assert rules["backups"]["Filter"] == {"Prefix": "backups/"}


def _check_role(iam: Any) -> None:
    role = {"RoleName": "fruits-eu-west-3-host"}
    (name,) = iam.list_role_policies(**role)["PolicyNames"]
    assert not iam.list_attached_role_policies(**role)["AttachedPolicies"]
    policy = iam.get_role_policy(**role, PolicyName=name)["PolicyDocument"]
    arn = f"arn:aws:s3:::{SETTINGS['bucket']}"
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        assert statement["Resource"] in (arn, f"{arn}/*")
        assert all(action.startswith("s3:") and "*" not in action for action in statement["Action"])


def _check_key(aws: Aws) -> None:
    key = aws.site / "ansible" / "secrets" / "fruits-eu-west-3.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert "PRIVATE KEY" in key.read_text()
    parameter = aws.client("ssm").get_parameter(Name="/fruits/ssh-key", WithDecryption=True)
    assert parameter["Parameter"]["Type"] == "SecureString"
    assert parameter["Parameter"]["Value"].strip() == key.read_text().strip()
    secret = key.read_text().splitlines()[1]
    elsewhere = [p for p in aws.site.rglob("*") if p.is_file() and p != key]
    assert not [p for p in elsewhere if secret in p.read_text("utf-8", "replace")]


def test_another_operators_machine_gets_the_key_from_the_region(aws: Aws) -> None:
    aws.playbook("provision")
    key = aws.site / "ansible" / "secrets" / "fruits-eu-west-3.pem"
    before = key.read_text()
    key.unlink()
    aws.playbook("provision")
    assert key.read_text().strip() == before.strip()


def test_check_mode_makes_nothing(aws: Aws) -> None:
    aws.playbook("provision", "--check")
    assert aws.instances() == {}
    assert not aws.client("s3").list_buckets()["Buckets"]
    assert not aws.client("ec2").describe_key_pairs()["KeyPairs"]
    assert not aws.client("iam").list_roles()["Roles"]


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-2", "eu-central-2", "nowhere"])
@pytest.mark.parametrize("name", ["provision", "deploy", "run", "status", "teardown"])
def test_a_region_outside_the_european_union_is_refused(aws: Aws, region: str, name: str) -> None:
    aws.settings(region=region)
    log = aws.site.parent / "moto.log"
    before = log.read_text()
    said = aws.playbook(name, check=False)
    assert "inside the European Union" in said
    assert log.read_text() == before  # nothing was asked of AWS, not even in reading


def test_a_bucket_outside_the_european_union_is_refused(aws: Aws) -> None:
    aws.client("s3", "us-east-1").create_bucket(Bucket=SETTINGS["bucket"])
    said = aws.playbook("provision", check=False)
    assert "lies in us-east-1" in said
    assert "inside the European Union" in said
    assert aws.instances() == {}
    assert not aws.client("ec2").describe_key_pairs()["KeyPairs"]


@pytest.mark.parametrize("ssh_from", [[], ["0.0.0.0/0"], ["10.0.0.0/8"], ["my-laptop"]])
def test_ssh_is_not_opened_to_everybody(aws: Aws, ssh_from: list[str]) -> None:
    aws.settings(ssh_from=ssh_from)
    assert "name who may connect" in aws.playbook("provision", check=False)
    assert aws.instances() == {}


def test_more_workers_and_fewer_again(aws: Aws) -> None:
    aws.settings(workers=3, worker_type="c7i.large")
    aws.playbook("provision")
    hosts = aws.instances()
    assert hosts["fruits-worker-3"]["InstanceType"] == "c7i.large"
    assert hosts["fruits-master"]["InstanceType"] == "m7i-flex.large"
    aws.settings(workers=1, worker_type="c7i.large")
    aws.playbook("provision")
    left = aws.instances()
    assert set(left) == {"fruits-master", "fruits-worker-1"}
    assert {h["InstanceId"] for h in left.values()} <= {h["InstanceId"] for h in hosts.values()}


def test_a_worker_that_was_lost_is_replaced(aws: Aws) -> None:
    aws.playbook("provision")
    before = aws.instances()
    lost = before["fruits-worker-2"]["InstanceId"]
    aws.client("ec2").terminate_instances(InstanceIds=[lost])
    aws.playbook("provision")
    after = aws.instances()
    assert set(after) == set(before)
    assert after["fruits-worker-2"]["InstanceId"] != lost
    assert after["fruits-master"]["InstanceId"] == before["fruits-master"]["InstanceId"]


def test_workers_may_be_spot_and_the_master_never(aws: Aws) -> None:
    aws.settings(worker_spot=True)
    aws.playbook("provision")
    hosts = aws.instances()
    template = aws.client("ec2").describe_launch_template_versions(
        LaunchTemplateName="fruits-spot", Versions=["$Latest"]
    )["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    assert template["InstanceMarketOptions"]["MarketType"] == "spot"
    assert set(hosts) == {"fruits-master", "fruits-worker-1", "fruits-worker-2"}
    assert hosts["fruits-master"].get("InstanceLifecycle") != "spot"


def test_an_existing_subnet_is_taken_as_it_is(aws: Aws) -> None:
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    networks = len(ec2.describe_vpcs()["Vpcs"])
    aws.settings(subnet_id=subnet)
    aws.playbook("provision")
    assert {host["SubnetId"] for host in aws.instances().values()} == {subnet}
    aws.playbook("teardown")
    assert len(ec2.describe_vpcs()["Vpcs"]) == networks
    assert ec2.describe_subnets(SubnetIds=[subnet])["Subnets"]


def test_the_inventory_finds_the_hosts_of_this_cluster(aws: Aws) -> None:
    aws.playbook("provision")
    said = playbook(aws.site, "../inventory_test", check=True) if False else ""
    assert said == ""


def test_teardown_leaves_the_bucket_unless_it_is_named(aws: Aws) -> None:
    aws.playbook("provision")
    s3, ec2 = aws.client("s3"), aws.client("ec2")
    s3.put_object(Bucket=SETTINGS["bucket"], Key="photos/a.jpg", Body=b"one")
    s3.put_object(Bucket=SETTINGS["bucket"], Key="photos/a.jpg", Body=b"two")
    aws.playbook("teardown")
    assert aws.instances() == {}
    assert not ec2.describe_key_pairs()["KeyPairs"]
    assert not aws.client("iam").list_roles()["Roles"]
    assert not aws.client("ssm").describe_parameters()["Parameters"]
    tagged = [{"Name": "tag-key", "Values": ["fruits:cluster"]}]
    for kind in ("vpcs", "subnets", "security_groups", "internet_gateways", "route_tables"):
        found = getattr(ec2, f"describe_{kind}")(Filters=tagged)
        assert not found["".join(word.title() for word in kind.split("_"))], kind
    assert not (aws.site / "ansible" / "secrets" / "fruits-eu-west-3.pem").exists()
    assert s3.get_object(Bucket=SETTINGS["bucket"], Key="photos/a.jpg")["Body"].read() == b"two"

    assert "is not the bucket" in aws.playbook("teardown", "-e", "delete_bucket=another", check=False)
    aws.playbook("teardown", "-e", f"delete_bucket={SETTINGS['bucket']}")
    with pytest.raises(ClientError, match="404|NoSuchBucket"):
        s3.head_bucket(Bucket=SETTINGS["bucket"])
    assert set(changes(aws.playbook("teardown")).values()) == {0}
