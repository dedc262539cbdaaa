"""How this machine reaches hosts on AWS: directly, through a jump host, through Session Manager."""

import os
import shutil
import socket
import sys
from pathlib import Path

import pytest
import yaml
from deploy.operators import Site
from plays import play

HOSTS = {
    "fruits-master": {
        "instance_id": "i-0aaaaaaaaaaaaaaa0",
        "public_ip_address": "203.0.113.20",
        "private_ip_address": "10.42.0.20",
    },
    "fruits-worker-1": {  # as the inventory lists a host in a private subnet
        "instance_id": "i-0bbbbbbbbbbbbbbb1",
        "public_ip_address": "",
        "private_ip_address": "10.42.0.21",
    },
}
SESSION = [
    *("ssm", "start-session", "--region", "eu-west-3", "--target", "i-0bbbbbbbbbbbbbbb1"),
    *("--document-name", "AWS-StartSSHSession", "--parameters", "portNumber=22"),
]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, HOSTS)


def test_hosts_are_reached_at_their_public_address_if_they_have_one(site: Site) -> None:
    site.settings(ssh_from=["203.0.113.7/32"])
    site.playbook("tunnel")
    assert site.ssh_options("fruits-master")["hostname"] == "203.0.113.20"
    worker = site.ssh_options("fruits-worker-1")
    assert worker["hostname"] == "10.42.0.21"
    assert worker["hostkeyalias"] == "i-0bbbbbbbbbbbbbbb1"
    assert not {"proxyjump", "proxycommand"} & set(worker)


def test_a_jump_host_leads_to_private_addresses(site: Site) -> None:
    site.settings(ssh_jump="ada@bastion.example.org:2222", ssh_from=["10.42.0.9/32"])
    site.playbook("tunnel")
    for host, known in HOSTS.items():
        options = site.ssh_options(host)
        assert options["hostname"] == known["private_ip_address"]
        assert options["proxyjump"] == "ada@bastion.example.org:2222"
        assert options["hostkeyalias"] == known["instance_id"]
    assert site.ssh_options("bastion.example.org")["stricthostkeychecking"] != "accept-new"


def test_session_manager_leads_to_instances_by_id(site: Site) -> None:
    site.settings(connect="ssm")
    site.playbook("tunnel")
    options = site.ssh_options("fruits-worker-1")
    assert options["hostname"] == options["hostkeyalias"] == "i-0bbbbbbbbbbbbbbb1"
    assert options["identityfile"].endswith("fruits-eu-west-3.pem")
    site.run("ssh", "-F", "ansible/secrets/ssh_config", "fruits-worker-1", "true")
    assert site.words() == SESSION

    (site.folder / "words").unlink()
    ansible = Path(sys.executable).with_name("ansible")
    raw = ("-i", "hosts.yml", "--playbook-dir", "ansible", "-m", "raw", "-a", "true")
    assert "UNREACHABLE" in site.run(ansible, "fruits-worker-1", *raw)
    assert site.words() == SESSION


def test_rotation_logs_in_the_same_way(site: Site) -> None:
    site.settings(connect="ssm")
    tasks = yaml.safe_load((site.folder / "ansible/roles/rotate_ssh/tasks/install.yml").read_text())
    (login,) = (task for task in tasks if task["name"].startswith("Log in with the new key"))
    plays = [{"hosts": "fruits-worker-1", "gather_facts": False, "tasks": [login]}]
    (site.folder / "ansible" / "login.yml").write_text(yaml.safe_dump(plays))
    site.playbook("login", "-e", "rotate_ssh_new=/new.pem", check=False)
    assert site.words() == SESSION


def test_what_session_manager_needs_is_checked_before_anything_is_made(site: Site) -> None:
    site.settings(connect="ssm")
    site.environ["PATH"] = str(site.bin)
    (site.bin / "session-manager-plugin").unlink()
    said = " ".join(site.playbook("provision", check=False).split())
    assert "`connect: ssm` needs session-manager-plugin, which this machine does not have" in said
    assert "https://docs.aws.amazon.com/systems-manager/" in said
    assert "TASK [Look up" not in said
    (site.bin / "aws").unlink()
    said = " ".join(site.playbook("checks", check=False).split())
    assert "needs aws and session-manager-plugin, which" in said
    shutil.copy(site.folder / "ansible" / "hosts.example.yml", site.folder / "hosts.yml")
    site.playbook("checks")  # hosts outside AWS


@pytest.mark.parametrize(
    ("connect", "address", "closed"),
    [("ssh", "127.0.0.1", True), ("ssm", "127.0.0.1", False), ("ssm", "", True)],
)
def test_the_port_of_ssh_may_be_open_for_ssh_only(
    tmp_path: Path, connect: str, address: str, closed: bool
) -> None:
    """Of a host on which something listens at that port, as seen from here."""
    (tmp_path / "ss").write_text('#!/bin/sh\necho "LISTEN 0 128 0.0.0.0:$PORT 0.0.0.0:*"\n')
    (tmp_path / "ss").chmod(0o755)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        done = play(
            tmp_path,
            {"localhost": {"ansible_port": port, "instance_id": "i-0"}},
            {"ansible.builtin.include_role": {"name": "verify", "tasks_from": "ports"}},
            environ={"PATH": f"{tmp_path}:{os.environ['PATH']}", "PORT": str(port)},
            **{"connect": connect, "open_address": address},
            **{"public_ports": [port], "hub_ports": []},
        )
    assert (done.returncode == 0) == closed, done.stdout
    assert (f"port {port} of localhost is open to this machine" in done.stdout) != closed
