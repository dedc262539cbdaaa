"""The SSH key's rotation, killed at each step, run again, and seen from another operator's machine.

A script stands in for `ssh`: it accepts the keys of the host's authorized_keys. AWS is moto's.
"""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from plays import play

from deploy.aws import REGION, Aws

_SSH = """#!/bin/sh
[ ! -e "$SITE/refuses" ] || exit 255
for word; do case "$word" in *@*) host=${word#*@} ;; *.pem.new) key=$word ;; esac; done
grep -qF "$(ssh-keygen -y -f "$key" | cut -d' ' -f1,2)" "$SITE/$host"
"""
_KILLER = """import os
from ansible.plugins.callback import CallbackBase
class CallbackModule(CallbackBase):
    CALLBACK_VERSION, CALLBACK_NAME = 2.0, "killer"
    def v2_playbook_on_task_start(self, task, is_conditional):
        if task.name and task.name == os.environ["KILL_AT"]:
            os.kill(os.getpid(), 9)
"""
_HOSTS = ("one", "two")
_OTHERS = f"ssh-ed25519 {'B' * 68} of-a-colleague"


class Team:
    """Two hosts' authorized_keys, and an operator's secrets."""

    def __init__(self, folder: Path, aws: Aws) -> None:
        self.folder, self.aws = folder, aws
        self.pem = folder / "secrets" / "fruits.pem"
        for name, text in (("bin/ssh", _SSH), ("callbacks/killer.py", _KILLER)):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        (folder / "bin" / "ssh").chmod(0o755)
        done = self.include("aws_key")
        assert done.returncode == 0, done.stdout
        for name in _HOSTS:
            (folder / name).write_text(f"{public(self.pem)} fruits\n{_OTHERS}\n")

    def include(
        self, role: str, tasks: str = "main", kill_at: str = "", **settings: Any
    ) -> "subprocess.CompletedProcess[str]":
        task: dict[str, Any] = {
            "ansible.builtin.include_role": {"name": role, "tasks_from": tasks},
            "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
        }
        environ = {
            **self.aws.environ,
            "PATH": f"{self.folder / 'bin'}:{self.aws.environ['PATH']}",
            "SITE": str(self.folder),
            "AWS_REGION": REGION,
            "ANSIBLE_ANY_ERRORS_FATAL": "true",
            "ANSIBLE_CALLBACK_PLUGINS": str(self.folder / "callbacks"),
            "ANSIBLE_CALLBACKS_ENABLED": "killer",
            "KILL_AT": kill_at,
        }
        variables = {
            "region": REGION,
            "cluster_name": "fruits",
            "secrets_folder": str(self.folder / "secrets"),
            "private_key": str(self.pem),
            "key_parameter": "/fruits/ssh-key",
            "kms_key_arn": "",
            "aws_tags": {"fruits:cluster": "fruits"},
            "ansible_user": "admin",
            "rotate_ssh_file": f"{self.folder}/{{{{ inventory_hostname }}}}",
            "rotate_ssh_files": ["{{ rotate_ssh_file }}", str(self.folder / "missing")],
        }
        names = _HOSTS if (role, tasks) == ("rotate_ssh", "main") else ("localhost",)
        hosts = {name: {"ansible_host": name} for name in names}
        return play(self.folder, hosts, task, environ=environ, **variables | settings)

    def rotate(self, **options: Any) -> "subprocess.CompletedProcess[str]":
        return self.include("rotate_ssh", **options)

    def stored(self) -> str:
        parameter = self.aws.client("ssm").get_parameter(
            Name="/fruits/ssh-key", WithDecryption=True
        )
        return str(parameter["Parameter"]["Value"])

    def someone_may_log_in(self) -> bool:
        """With a key that the operator has, on every host."""
        keys = [public(file) for file in self.pem.parent.glob("fruits.pem*")]
        return all(any(key in (self.folder / name).read_text() for key in keys) for name in _HOSTS)

    def is_rotated(self, old: str) -> None:
        new = public(self.pem)
        assert new != old
        assert self.stored().strip() == self.pem.read_text().strip()
        for name in _HOSTS:
            lines = (self.folder / name).read_text().splitlines()
            assert lines == [_OTHERS, f"{new} fruits (rotate.yml)"]
        pairs = self.aws.client("ec2").describe_key_pairs(IncludePublicKey=True)["KeyPairs"]
        assert [pair["KeyName"] for pair in pairs] == ["fruits"]
        assert pairs[0]["PublicKey"].startswith(new)
        assert [file.name for file in self.pem.parent.glob("*.pem*")] == ["fruits.pem"]


def public(file: Path) -> str:
    command = ["ssh-keygen", "-y", "-f", str(file)]
    said = subprocess.run(command, text=True, capture_output=True, check=True).stdout
    return " ".join(said.split()[:2])


@pytest.fixture
def team(aws: Aws, tmp_path: Path) -> Team:
    return Team(tmp_path, aws)


def test_a_new_key_replaces_the_old_one_and_no_other(team: Team) -> None:
    old, text = public(team.pem), team.pem.read_text()
    done = team.rotate()
    assert done.returncode == 0, done.stdout
    team.is_rotated(old)
    assert team.pem.read_text().splitlines()[1] not in done.stdout

    new = team.pem.read_text()
    for role, tasks in (("aws_key", "main"), ("rotate_ssh", "fetch")):  # of another operator
        team.pem.write_text(text)
        done = team.include(role, tasks)
        assert done.returncode == 0, done.stdout
        assert team.pem.read_text() == new
    assert "changed=0" in team.include("aws_key").stdout
    team.is_rotated(old)


STEPS = (
    "Save the new private key on this machine",
    "Log in with the new key, in a connection of its own",
    "Store the new private key encrypted in the parameter store",
    "Put the new public key into the key pair, for hosts to come",
    "Use the new private key on this machine",
    "Delete the second copy of the new private key",
    "Compute both public keys",
    "Delete the old private key from this machine",
)


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_rotation_locks_nobody_out_and_is_continued(team: Team, step: str) -> None:
    old = public(team.pem)
    assert team.rotate(kill_at=step).returncode == -9
    assert team.someone_may_log_in()
    assert team.include("rotate_ssh", "fetch").returncode == 0  # as rotate.yml begins
    done = team.rotate()
    assert done.returncode == 0, done.stdout
    team.is_rotated(old)


def test_a_rotation_begun_by_another_operator_leaves_no_key(team: Team) -> None:
    old = public(team.pem)
    assert team.rotate(kill_at=STEPS[2]).returncode == -9
    for suffix in (".new", ".old"):
        team.pem.with_name(f"fruits.pem{suffix}").unlink()
    assert team.rotate().returncode == 0
    team.is_rotated(old)


def test_nothing_is_replaced_if_a_host_refuses_the_new_key_or_is_stopped(team: Team) -> None:
    old, stored = public(team.pem), team.stored()
    (team.folder / "refuses").touch()
    assert team.rotate().returncode
    (team.folder / "refuses").unlink()
    assert (public(team.pem), team.stored()) == (old, stored)
    assert all(old in (team.folder / name).read_text() for name in _HOSTS)

    ec2 = team.aws.client("ec2")
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "fruits:cluster", "Value": "fruits"}]}]
    image = ec2.describe_images()["Images"][0]["ImageId"]
    made = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=tags)
    name = made["Instances"][0]["InstanceId"]
    ec2.stop_instances(InstanceIds=[name])
    done = team.rotate()
    assert done.returncode
    assert f"{name} is stopped and would not get the new key" in " ".join(done.stdout.split())
    assert (public(team.pem), team.stored()) == (old, stored)
