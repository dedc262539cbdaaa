"""provision.yml asks which zones offer the instance types before it asks the user."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy.playbooks import aws_environ, aws_server
from faulty_ec2 import Faults, Request, faulty_ec2
from places import ROOT
from plays import play

DEFAULTS = yaml.safe_load((ROOT / "ansible/group_vars/all/defaults.yml").read_text())


class Offers(Faults):
    """Zones that do not offer some types, which in moto all do, and a Local Zone."""

    def __init__(self, lacking: dict[str, list[str]]) -> None:
        super().__init__()
        self.lacking = lacking

    def after(self, request: Request, answer: str) -> str:
        if request["Action"] != "DescribeInstanceTypeOfferings":
            return answer

        def kept(item: re.Match[str]) -> str:
            (zone,) = re.findall("<location>(.*?)</location>", item[0])
            (kind,) = re.findall("<instanceType>(.*?)</instanceType>", item[0])
            return "" if kind in self.lacking.get(zone, []) else item[0]

        local = "<item><instanceType>c7i.xlarge</instanceType><location>eu-west-3-lon-1a</location>"
        answer = re.sub("<item>.*?</item>", kept, answer, flags=re.DOTALL)
        return answer.replace(
            "<instanceTypeOfferingSet>", f"<instanceTypeOfferingSet>{local}</item>"
        )


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with aws_server(tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.fixture
def choose(moto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Choose":
    return Choose(moto, tmp_path, monkeypatch)


class Choose:
    """The role's choice for some settings."""

    def __init__(self, moto: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.moto, self.folder, self.monkeypatch = moto, folder, monkeypatch

    def __call__(self, lacking: dict[str, list[str]], zone: str = "", **settings: Any) -> str:
        with faulty_ec2(self.moto, Offers(lacking)) as url:
            for name, value in aws_environ(url).items():
                self.monkeypatch.setenv(name, value)
            self.monkeypatch.setenv("ANSIBLE_LIBRARY", str(ROOT / "ansible" / "library"))
            role = {"name": "aws_hosts", "tasks_from": "offers"}
            tasks = (
                {"ansible.builtin.include_role": role},
                {"ansible.builtin.debug": {"msg": "chosen: {{ aws_hosts_zone }}"}},
            )
            variables = {**DEFAULTS, "aws_network_zone": zone, **settings}
            done = play(self.folder, {"localhost": {}}, *tasks, **variables)
        return " ".join(done.stdout.split())


def test_a_zone_that_offers_all_types(choose: Choose) -> None:
    assert "chosen: eu-west-3a" in choose({})
    assert "chosen: eu-west-3b" in choose({"eu-west-3a": ["c7i.xlarge"]})


def test_a_zone_that_offers_a_type_for_each_host(choose: Choose) -> None:
    lacking = {
        "eu-west-3a": ["m7i-flex.large"],
        "eu-west-3b": ["c7i.xlarge"],
        "eu-west-3c": ["c7i.xlarge", "c6i.xlarge"],
    }
    assert "chosen: eu-west-3b" in choose(lacking, worker_types=["c6i.xlarge"])


def test_a_given_zone_without_a_type(choose: Choose) -> None:
    output = choose({"eu-west-3a": ["c7i.xlarge"]}, zone="eu-west-3a")
    assert "eu-west-3a does not offer c7i.xlarge" in output
    assert "one of eu-west-3b, eu-west-3c" in output


def test_types_that_no_zone_has(choose: Choose) -> None:
    output = choose({}, worker_type="c7a.xlarge")  # exists, but not in Paris
    assert "no zone of eu-west-3 offers a type for every host" in output
    assert "m7i-flex.large, c7a.xlarge: choose other types" in output


def test_a_type_that_does_not_exist(choose: Choose) -> None:
    output = choose({}, worker_type="c7i.xlrage")
    assert "c7i.xlrage is not an instance type of eu-west-3: correct" in output
