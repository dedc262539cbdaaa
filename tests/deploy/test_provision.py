"""provision.yml and teardown.yml against moto's AWS; the results are checked with boto3."""

import json
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import iam as iam_rules
import pytest
from botocore.exceptions import ClientError

from deploy.aws import AMI, REGION, SETTINGS, Aws
from deploy.playbooks import changes


@pytest.mark.smoke
def test_the_life_of_a_cluster(aws: Aws) -> None:
    aws.playbook("provision")
    _check_hosts(aws)
    _check_network(aws)
    _check_bucket(aws.client("s3"))
    _check_role(aws.client("iam"))
    _check_key(aws)
    _check_inventory(aws)
    _check_ssh(aws)
    assert changes(aws.playbook("provision")) == {"localhost": 0}

    before = aws.instances()
    key = aws.site / "ansible" / "secrets" / "fruits-eu-west-3.pem"
    private_half = key.read_text()
    key.unlink()  # as on another operator's machine
    aws.client("ec2").terminate_instances(InstanceIds=[before["fruits-worker-2"]["InstanceId"]])
    https = {"hub_domain": "fruits.example.org", "hub_from": ["0.0.0.0/0"]}
    aws.settings(workers=3, worker_type="c7i.large", **https)
    aws.playbook("provision")
    _check_network(aws, {("tcp", 443, 443): {"0.0.0.0/0"}})
    after = aws.instances()
    assert key.read_text().strip() == private_half.strip()
    assert set(after) == {*before, "fruits-worker-3"}
    assert after["fruits-master"]["InstanceId"] == before["fruits-master"]["InstanceId"]
    assert after["fruits-worker-2"]["InstanceId"] != before["fruits-worker-2"]["InstanceId"]
    assert after["fruits-worker-3"]["InstanceType"] == "c7i.large"
    assert after["fruits-master"]["InstanceType"] == "m7i-flex.large"
    assert _addresses(aws) == {after["fruits-master"]["PublicIpAddress"]}

    aws.settings(workers=1, worker_type="c7i.large")
    aws.playbook("provision")
    left = aws.instances()
    assert set(left) == {"fruits-master", "fruits-worker-1"}
    assert _addresses(aws) == set()
    _check_network(aws)
    _check_teardown(aws)


def _check_hosts(aws: Aws) -> None:
    hosts = aws.instances()
    assert set(hosts) == {"fruits-master", "fruits-worker-1", "fruits-worker-2"}
    ec2 = aws.client("ec2")
    for host in hosts.values():
        assert host["ImageId"] == AMI["ami_id"]
        assert host["MetadataOptions"]["HttpTokens"] == "required"
        assert host["MetadataOptions"]["HttpPutResponseHopLimit"] == 1
        assert host["Placement"]["AvailabilityZone"] == f"{REGION}b"
        assert host["IamInstanceProfile"]["Arn"].endswith("/fruits-eu-west-3-host")
        disks = [disk["Ebs"]["VolumeId"] for disk in host["BlockDeviceMappings"]]
        volumes = ec2.describe_volumes(VolumeIds=disks)["Volumes"]
        assert volumes
        assert all(volume["Encrypted"] for volume in volumes)


def _check_network(
    aws: Aws, https: Mapping[tuple[str, int, int], set[str]] = MappingProxyType({})
) -> None:
    (group,) = {g["GroupId"] for h in aws.instances().values() for g in h["SecurityGroups"]}
    (details,) = aws.client("ec2").describe_security_groups(GroupIds=[group])["SecurityGroups"]
    rules = {}
    for rule in details["IpPermissions"]:
        assert not rule["Ipv6Ranges"]
        sources = {source["CidrIp"] for source in rule["IpRanges"]}
        sources |= {source["GroupId"] for source in rule["UserIdGroupPairs"]}
        rules[rule["IpProtocol"], rule.get("FromPort"), rule.get("ToPort")] = sources
    among = rules.pop(("-1", None, None), None) or rules.pop(("-1", -1, -1))
    assert among == {group}
    assert rules == {("tcp", 22, 22): {"203.0.113.7/32"}} | dict(https)


def _addresses(aws: Aws) -> set[str]:
    """Addresses that stay, whatever happens to the host."""
    return {address["PublicIp"] for address in aws.client("ec2").describe_addresses()["Addresses"]}


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
    assert rules["old-versions"]["Expiration"]["ExpiredObjectDeleteMarker"]
    assert rules["backups"]["Expiration"]["Days"] == 30
    assert rules["backups"]["Filter"] == {"Prefix": "backups/"}


def _check_role(iam: Any) -> None:
    role = {"RoleName": "fruits-eu-west-3-host"}
    (name,) = iam.list_role_policies(**role)["PolicyNames"]
    assert not iam.list_attached_role_policies(**role)["AttachedPolicies"]
    policy = iam.get_role_policy(**role, PolicyName=name)["PolicyDocument"]
    arn = f"arn:aws:s3:::{SETTINGS['bucket']}"
    assert iam_rules.allows(policy, "s3:PutObject", f"{arn}/photos/a.jpg")
    backup = f"{arn}/backups/fruits/2026-11-26T030000Z.tar.gz.gpg"
    creates = {"s3__ObjectCreationOperation": "true"}
    assert iam_rules.allows(policy, "s3:PutObject", backup, **creates, s3__if_none_match="*")
    assert not iam_rules.allows(policy, "s3:PutObject", backup, **creates)
    assert not iam_rules.allows(policy, "s3:DeleteObject", backup)
    assert not iam_rules.allows(policy, "s3:DeleteObjectVersion", backup)
    for statement in policy["Statement"]:
        assert statement["Resource"] in (arn, f"{arn}/*", f"{arn}/backups/*")
        assert "*" not in "".join(statement["Action"])


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


def _check_inventory(aws: Aws) -> None:
    """The inventory of the other playbooks, with an Ansible Vault secret in the settings."""
    settings = aws.site / "ansible" / "cluster.yml"
    before = settings.read_text()
    settings.write_text(before + "spark_secret: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3031\n")
    output = subprocess.run(
        [Path(sys.executable).with_name("ansible-inventory"), "--list"],
        cwd=aws.site,
        env=aws.environ,
        capture_output=True,
        check=True,
    ).stdout
    settings.write_text(before)
    inventory = json.loads(output)
    assert inventory["spark_master"]["hosts"] == ["fruits-master"]
    assert sorted(inventory["spark_workers"]["hosts"]) == ["fruits-worker-1", "fruits-worker-2"]
    for name, host in inventory["_meta"]["hostvars"].items():
        instance = aws.instances()[name]
        assert host["private_address"] == {"__ansible_unsafe": instance["PrivateIpAddress"]}


def _check_ssh(aws: Aws) -> None:
    aws.playbook("tunnel")
    config = (aws.site / "ansible" / "secrets" / "ssh_config").read_text()
    for name, instance in aws.instances().items():
        block = config.partition(f"Host {name}")[2].partition("\nHost ")[0]
        assert f"HostName {instance['PublicIpAddress']}\n" in block
        assert f"HostKeyAlias {instance['InstanceId']}" in block


def _check_teardown(aws: Aws) -> None:
    """The bucket is kept unless its name is passed."""
    s3, ec2 = aws.client("s3"), aws.client("ec2")
    with pytest.raises(ClientError, match="403"):  # the request is not over TLS
        s3.put_object(Bucket=SETTINGS["bucket"], Key="photos/a.jpg", Body=b"one")
    s3.delete_bucket_policy(Bucket=SETTINGS["bucket"])
    s3.put_object(Bucket=SETTINGS["bucket"], Key="photos/a.jpg", Body=b"one")
    s3.put_object(Bucket=SETTINGS["bucket"], Key="photos/a.jpg", Body=b"two")
    ecr = aws.client("ecr")
    for name in ("fruits/jupyterhub", "of-another-cluster/jupyterhub"):
        ecr.create_repository(repositoryName=name)
    aws.playbook("teardown", "-e", f"registry=123456789012.dkr.ecr.{REGION}.amazonaws.com")
    (kept,) = ecr.describe_repositories()["repositories"]
    assert kept["repositoryName"] == "of-another-cluster/jupyterhub"
    assert aws.instances() == {}
    assert not ec2.describe_key_pairs()["KeyPairs"]
    assert not aws.client("iam").list_roles()["Roles"]
    assert not aws.client("ssm").describe_parameters()["Parameters"]
    tagged = [{"Name": "tag-key", "Values": ["fruits:cluster"]}]
    for kind in ("vpcs", "subnets", "security_groups", "internet_gateways", "route_tables"):
        response = getattr(ec2, f"describe_{kind}")(Filters=tagged)
        assert not response["".join(word.title() for word in kind.split("_"))], kind
    assert not (aws.site / "ansible" / "secrets" / "fruits-eu-west-3.pem").exists()
    assert s3.get_object(Bucket=SETTINGS["bucket"], Key="photos/a.jpg")["Body"].read() == b"two"

    assert "is not the bucket" in aws.playbook(
        "teardown", "-e", "delete_bucket=another", check=False
    )
    aws.playbook("teardown", "-e", f"delete_bucket={SETTINGS['bucket']}")
    with pytest.raises(ClientError, match=r"404|NoSuchBucket"):
        s3.head_bucket(Bucket=SETTINGS["bucket"])
    assert set(changes(aws.playbook("teardown")).values()) == {0}


def test_check_mode_makes_nothing(aws: Aws) -> None:
    aws.playbook("provision", "--check")
    assert aws.instances() == {}
    assert not aws.client("s3").list_buckets()["Buckets"]
    assert not aws.client("ec2").describe_key_pairs()["KeyPairs"]
    assert not aws.client("iam").list_roles()["Roles"]


@pytest.mark.parametrize(
    ("region", "name"),
    [
        ("us-east-1", "provision"),
        ("eu-west-2", "provision"),  # London
        ("eu-central-2", "deploy"),  # Zurich
        ("us-east-1", "run"),
        ("nowhere", "teardown"),
    ],
)
def test_a_region_outside_the_european_union_is_refused(aws: Aws, region: str, name: str) -> None:
    aws.settings(region=region)
    log = aws.site.parent / "moto.log"
    before = log.read_text()
    output = aws.playbook(name, check=False)
    assert "inside the European Union" in output
    assert "eu-west-3" in output  # the allowed regions
    assert log.read_text() == before  # no request to AWS, not even a read


def test_a_bucket_outside_the_european_union_is_refused(aws: Aws) -> None:
    aws.client("s3", "us-east-1").create_bucket(Bucket=SETTINGS["bucket"])
    output = aws.playbook("provision", check=False)
    assert "is in us-east-1" in output
    assert "inside the European Union" in output
    assert aws.instances() == {}
    assert not aws.client("ec2").describe_key_pairs()["KeyPairs"]


@pytest.mark.parametrize("ssh_from", [[], ["0.0.0.0/0"], ["10.0.0.0/8"], ["my-laptop"]])
def test_ssh_is_not_opened_to_everybody(aws: Aws, ssh_from: list[str]) -> None:
    aws.settings(ssh_from=ssh_from)
    assert "set ssh_from" in aws.playbook("provision", check=False)
    assert aws.instances() == {}


def test_spot_workers_in_an_existing_subnet(aws: Aws) -> None:
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    networks = len(ec2.describe_vpcs()["Vpcs"])
    aws.settings(subnet_id=subnet, worker_spot=True)
    aws.playbook("provision")
    hosts = aws.instances()
    assert {host["SubnetId"] for host in hosts.values()} == {subnet}
    (group,) = {g["GroupName"] for host in hosts.values() for g in host["SecurityGroups"]}
    assert group == "fruits"
    lifecycles = {name: host.get("InstanceLifecycle") for name, host in hosts.items()}
    assert lifecycles == {
        "fruits-master": None,
        "fruits-worker-1": "spot",
        "fruits-worker-2": "spot",
    }

    aws.playbook("teardown")
    assert len(ec2.describe_vpcs()["Vpcs"]) == networks
    assert ec2.describe_subnets(SubnetIds=[subnet])["Subnets"]
