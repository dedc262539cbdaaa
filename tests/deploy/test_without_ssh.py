"""A cluster that Session Manager reaches: nothing is open, and nobody is locked out on the way."""

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import iam as iam_rules
import pytest
from faulty_ec2 import Faults, faulty_ec2

from deploy.aws import Aws

SSH = ("tcp", 22)


class Sessions(Faults):
    """Session Manager reaches no host until they are `ready`."""

    def __init__(self, aws: Aws) -> None:
        super().__init__()
        self.aws, self.ready = aws, False

    def reached(self) -> list[str]:
        hosts = self.aws.instances().values() if self.ready else []
        return [host["InstanceId"] for host in hosts]


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """Stand-ins on the operator's machine; `ssh` reaches nothing and notes its words."""
    folder = tmp_path / "bin"
    folder.mkdir()
    lines = {"aws": "exit 1", "session-manager-plugin": "exit 1"}
    lines["ssh"] = f'echo "$@" >>{folder}/words; exit 255'
    for name, line in lines.items():
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)
    return folder


def rules(aws: Aws) -> set[tuple[str, Any]]:
    """Protocols and ports that the cluster's security group lets in."""
    named = [{"Name": "group-name", "Values": ["fruits"]}]
    (group,) = aws.client("ec2").describe_security_groups(Filters=named)["SecurityGroups"]
    return {(rule["IpProtocol"], rule.get("FromPort")) for rule in group["IpPermissions"]}


def may_open_sessions(aws: Aws) -> bool:
    client, role = aws.client("iam"), "fruits-eu-west-3-host"
    (name,) = client.list_role_policies(RoleName=role)["PolicyNames"]
    policy = client.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    assert not client.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert not iam_rules.allows(policy, "ssm:GetParameter", "arn:aws:ssm:eu-west-3:1:parameter/a")
    return iam_rules.allows(policy, "ssmmessages:OpenDataChannel", "*")


def test_a_cluster_changes_to_session_manager(
    aws: Aws, commands: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ec2 = aws.client("ec2")
    aws.playbook("provision")
    assert SSH in rules(aws)
    assert not may_open_sessions(aws)
    before = {name: host["InstanceId"] for name, host in aws.instances().items()}
    addresses = {host["PublicIpAddress"] for host in aws.instances().values()}

    # Its hosts have no agent: it must be installed through SSH, or the rule stays.
    monkeypatch.setenv("PATH", str(commands), prepend=":")
    aws.settings(connect="ssm", ssh_from=[], workers=3)
    faults = Sessions(aws)
    with faulty_ec2(aws.url, faults) as url:
        faulty = replace(aws, url=url)
        output = faulty.playbook("provision", check=False)
        assert "so the rule for SSH is kept" in " ".join(output.split())
        tried = (commands / "words").read_text()
        assert all(address in tried for address in addresses)
        assert SSH in rules(aws)
        assert set(aws.instances()) == set(before)

        # Now they have; a new host installs it itself.
        faults.ready = True
        output = faulty.playbook("provision")
        assert "The hosts are running" in output
    assert rules(aws) == {("-1", None)}
    assert may_open_sessions(aws)
    hosts = {name: host["InstanceId"] for name, host in aws.instances().items()}
    new = hosts.pop("fruits-worker-3")
    assert hosts == before
    data = ec2.describe_instance_attribute(InstanceId=new, Attribute="userData")["UserData"]
    script = base64.b64decode(data["Value"]).decode()
    compile(script, "user data", "exec")
    assert script.startswith("#!/usr/bin/python3\n")
    assert "https://s3.eu-west-3.{DOMAIN}/amazon-ssm-eu-west-3/latest" in script
