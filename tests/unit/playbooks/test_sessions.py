"""Provisioning waits, with a limit, until Session Manager reaches the hosts."""

import itertools
from pathlib import Path

import pytest
from deploy.playbooks import aws_environ
from faulty_ec2 import Faults, faulty_ec2
from plays import play


class Agents(Faults):
    """One host is reached at once, the other one when it is asked for the second time."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = itertools.count()

    def reached(self) -> list[str]:
        return ["i-1", "i-2"] if next(self.asked) else ["i-1"]


@pytest.mark.parametrize(
    ("wanted", "timeout_s", "missing"),
    [(["i-1", "i-2"], 60, ""), (["i-1"], 0, ""), (["i-1", "i-2"], 0, "i-2")],
)
def test_hosts_are_waited_for(
    wanted: list[str], timeout_s: int, missing: str, s3_endpoint: str, tmp_path: Path
) -> None:
    agents = Agents()
    online = {"ansible.builtin.include_role": {"name": "aws_ssm", "tasks_from": "online"}}
    settings = {
        "region": "eu-west-3",
        "aws_ssm_wanted": wanted,
        "aws_ssm_timeout_s": timeout_s,
    }
    with faulty_ec2(s3_endpoint, agents) as url:
        done = play(tmp_path, {"localhost": settings}, online, environ=aws_environ(url))
    assert (done.returncode == 0) == (not missing), done.stdout
    said = " ".join(done.stdout.split())
    assert (f"after 0 s, Session Manager does not reach {missing}." in said) == bool(missing)
    if missing:
        assert "a NAT gateway or VPC endpoints" in said
