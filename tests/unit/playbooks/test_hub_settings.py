"""The settings of HTTPS and of logins by OAuth: what is refused, and what they become."""

import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from places import ROOT
from plays import play
from roles import template, variable

ANSIBLE = ROOT / "ansible"
DEFAULTS = yaml.safe_load((ANSIBLE / "group_vars" / "all" / "defaults.yml").read_text())
HTTPS = {"bucket": "my-fruits", "hub_domain": "fruits.example.org", "hub_from": ["0.0.0.0/0"]}
OAUTH = {
    **{"provider": "github", "client_id": "Iv1.0123", "allowed_users": ["alice"]},
    **{"client_secret_file": "/home/me/secret", "allowed_groups": ["it's $HOME\\n"]},
}


def _problems(plugin: ModuleType, **own: Any) -> list[str]:
    own = HTTPS | own
    found: list[str] = plugin.problems(DEFAULTS, own, DEFAULTS | own, set())
    return found


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"hub_from": ["203.0.113.7/32", "0.0.0.0/0"]},
        {
            "hub_from": ["203.0.113.7/32"],
            "hub_certificate": {"certificate": __file__, "key": __file__},
        },
        {"acme_server": "https://ca.example.org/acme/directory"},
        {"hub_oauth": OAUTH},
        {"hub_domain": "", "hub_from": []},
    ],
    ids=str,
)
def test_good_settings_are_accepted(plugin: ModuleType, own: dict[str, Any]) -> None:
    assert _problems(plugin, **own) == []


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        ({"hub_domain": "fruits"}, "hub_domain is 'fruits': it must be a name in DNS"),
        ({"hub_domain": "203.0.113.7"}, "hub_domain is '203.0.113.7': it must be a name"),
        ({"hub_domain": "https://a.org"}, "hub_domain is 'https://a.org'"),
        ({"hub_domain": "a.org {\n"}, "hub_domain is 'a.org {\\n'"),
        ({"hub_from": []}, "set hub_from to the addresses that may open the Hub"),
        (
            {"hub_from": ["my-laptop", "0.0.0.0/0"]},
            "set hub_from to IPv4 addresses in CIDR notation",
        ),
        ({"hub_from": ["203.0.113.7/32"]}, "a certificate authority must reach the Hub"),
        ({"hub_from": ["10.0.0.0/10"]}, "a certificate authority must reach the Hub"),
        ({"hub_certificate": {"certificate": __file__}}, "hub_certificate must be {certificate:"),
        (
            {"hub_certificate": {"certificate": __file__, "key": "fruits.key"}},
            "hub_certificate: write the whole path of 'fruits.key'",
        ),
        (
            {"hub_from": ["203.0.113.7", "0.0.0.0/0"]},
            "set hub_from to IPv4 addresses in CIDR notation",
        ),
        ({"hub_from": [1, "0.0.0.0/0"]}, "set hub_from to IPv4 addresses in CIDR notation"),
        ({"acme_server": "http://ca.example.org"}, "acme_server is 'http://ca.example.org'"),
        ({"acme_server": "https://ca {"}, "acme_server is 'https://ca {'"),
        ({"hub_oauth": OAUTH, "hub_domain": ""}, "hub_oauth needs hub_domain"),
        ({"hub_oauth": OAUTH | {"provider": "x"}}, "hub_oauth: provider is 'x': use one of"),
        ({"hub_oauth": {"provider": "github", "client_id": "x"}}, "hub_oauth: set allowed_users"),
        ({"hub_oauth": "github"}, "hub_oauth is 'github': it must be names with values"),
    ],
    ids=str,
)
def test_one_line_says_what_is_wrong(plugin: ModuleType, own: dict[str, Any], wanted: str) -> None:
    (found,) = _problems(plugin, **own)
    assert found.startswith(wanted)
    assert "\n" not in found


def _firewall(host: str, **settings: Any) -> list[str]:
    groups = {"spark_master": ["m"], "spark_workers": ["w"]}
    known = {"groups": groups, "inventory_hostname": host, "cluster_addresses": ["10.0.0.1"]}
    text = template("hardening", "nftables.conf", **known, **settings)
    return [line.strip() for line in text.splitlines() if "accept" in line and "dport" in line]


def test_https_is_opened_on_the_master_alone_and_only_to_hub_from() -> None:
    closed = _firewall("m")
    assert not any("443" in line for line in closed)
    opened = _firewall("m", hub_domain="a.org", hub_from=["203.0.113.7/32", "10.0.0.0/8"])
    assert [line for line in opened if line not in closed] == [
        "ip saddr 203.0.113.7/32 tcp dport { 443 } accept",
        "ip saddr 10.0.0.0/8 tcp dport { 443 } accept",
    ]
    assert _firewall("w", hub_domain="a.org", hub_from=["0.0.0.0/0"]) == closed
    assert _firewall("m", hub_from=["0.0.0.0/0"]) == closed


def test_the_security_group_lets_in_the_same() -> None:
    def rules(**settings: Any) -> list[tuple[Any, Any]]:
        found = variable("aws_network", "aws_network_rules", ssh_from=["192.0.2.1/32"], **settings)
        return [(rule.get("ports"), rule.get("cidr_ip")) for rule in found if "ports" in rule]

    ssh = ([22], ["192.0.2.1/32"])
    assert rules() == [ssh]
    https = ([443], ["203.0.113.7/32"])
    assert rules(hub_domain="a.org", hub_from=["203.0.113.7/32"]) == [ssh, https]


def test_the_hub_gets_the_settings_without_the_file_of_the_secret() -> None:
    """In single quotes, Compose takes all but a quote as it is."""
    known = {
        **{"services": ["jupyterhub"], "cluster_hub_memory_mb": 4096, "private_address": "a"},
        **{"hostvars": {"localhost": {"images_version": "1"}, "m": {"private_address": "a"}}},
        **{"cluster_master": "m", "cluster_all_cores": 4, "ansible_facts": {"processor_vcpus": 2}},
    }

    def setting(name: str, **settings: Any) -> str:
        lines = template("cluster", "env", **known, **settings).splitlines()
        return [line for line in lines if line.startswith(f"{name}=")][-1].removeprefix(f"{name}=")

    text = setting("HUB_OAUTH", hub_oauth=OAUTH)
    assert text[0] == text[-1] == "'"
    assert "'" not in text[1:-1]
    kept = {name: value for name, value in OAUTH.items() if name != "client_secret_file"}
    assert json.loads(text[1:-1]) == kept
    assert setting("HUB_OAUTH") == ""
    assert setting("HUB_DOMAIN", hub_domain="a.org") == "a.org"


def test_the_client_secret_is_read_by_nobody_else(tmp_path: Path) -> None:
    files = {"good": 0o600, "open": 0o640, "empty": 0o600, "missing": None}
    for name, mode in files.items():
        if mode is not None:
            (tmp_path / name).write_text("" if name == "empty" else "secret")
            (tmp_path / name).chmod(mode)
    done = play(
        tmp_path,
        {n: {"hub_oauth": OAUTH | {"client_secret_file": str(tmp_path / n)}} for n in files},
        {"ansible.builtin.include_role": {"name": "cluster", "tasks_from": "oauth"}},
        secrets_folder=str(tmp_path),
    )
    recap = [line.split() for line in done.stdout.partition("PLAY RECAP")[2].splitlines()]
    failed = {words[0] for words in recap if "failed=1" in words}
    assert failed == {"open", "empty", "missing"}, done.stdout
    assert f"chmod 600 {tmp_path}/open" in done.stdout.replace("\n", " ")


def test_a_deploy_needs_the_files_of_the_certificate_but_other_playbooks_do_not(
    tmp_path: Path, plugin: ModuleType
) -> None:
    (tmp_path / "key").touch()
    files = {"certificate": str(tmp_path / "missing"), "key": str(tmp_path / "key")}
    assert not list(_problems(plugin, hub_certificate=files))
    tasks = {"name": "https", "tasks_from": "certificate"}
    role = {"ansible.builtin.include_role": tasks}
    done = play(tmp_path, {"localhost": {"hub_certificate": files}}, role)
    assert done.returncode
    assert f"there is no file {tmp_path}/missing on this machine" in done.stdout.replace("\n", " ")


@pytest.mark.parametrize(("code", "refused"), [(0, False), (1, True), (125, True)])
def test_an_image_that_would_let_passwords_in_is_refused(
    tmp_path: Path, code: int, refused: bool
) -> None:
    """Docker's stand-in ends as `test` in the image does, or with 125 as without the image."""
    (tmp_path / "docker").write_text(f'#!/bin/sh\necho "$*" >>"$0.log"\nexit {code}\n')
    (tmp_path / "docker").chmod(0o755)
    version = {"ansible.builtin.set_fact": {"images_version": "1.2-abc"}}
    tasks = {"name": "cluster", "tasks_from": "oauth_image"}
    done = play(
        tmp_path,
        {"localhost": {}},
        version,
        {"ansible.builtin.include_role": tasks},
        environ={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    assert (done.returncode != 0) == refused, done.stdout
    assert "fruits/jupyterhub:1.2-abc" in (tmp_path / "docker.log").read_text()
    assert ("version 1.2-abc has no logins by OAuth" in done.stdout) == (code == 1)
