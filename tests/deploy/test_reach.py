"""The way to hosts on AWS, with real SSH servers; a script stands in for AWS's Session Manager."""

import shutil
import sys
from pathlib import Path

import pytest

from deploy.operators import Site
from deploy.rehearsal import Rehearsal

MASTER, WORKER = ("i-0aaaaaaaaaaaaaaa0", "i-0bbbbbbbbbbbbbbb1")
# Joins its input and output to the host's port, as the real one does.
AWS = """#!/usr/bin/python3
import os, socket, sys, threading
hosts = {hosts}
options = dict(zip(sys.argv[3::2], sys.argv[4::2], strict=True))
assert sys.argv[1:3] == ["ssm", "start-session"], sys.argv
assert options["--region"] == "eu-west-3", sys.argv
assert options["--document-name"] == "AWS-StartSSHSession", sys.argv
name, _, port = options["--parameters"].partition("=")
assert name == "portNumber", sys.argv
host = socket.create_connection((hosts[options["--target"]], int(port)))
def up():
    while data := os.read(0, 65536):
        host.sendall(data)
    host.shutdown(socket.SHUT_WR)
threading.Thread(target=up, daemon=True).start()
while data := host.recv(65536):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
"""


@pytest.fixture
def site(rehearsal: Rehearsal, tmp_path: Path) -> Site:
    """An operator for whom the master and worker-1 are hosts on AWS."""
    hosts = {}
    for name, number in {"master": MASTER, "worker-1": WORKER}.items():
        hosts[f"fruits-{name}"] = {
            "instance_id": number,
            "public_ip_address": "",
            "private_ip_address": rehearsal.address(name),
        }
    site = Site(tmp_path, hosts)
    addresses = {host["instance_id"]: host["private_ip_address"] for host in hosts.values()}
    (site.bin / "aws").write_text(AWS.format(hosts=addresses))
    return site


def configure(site: Site, rehearsal: Rehearsal) -> None:
    site.playbook("tunnel")
    shutil.copy(rehearsal.site / "key", site.folder / "ansible/secrets/fruits-eu-west-3.pem")


def test_session_manager_leads_to_a_real_host(site: Site, rehearsal: Rehearsal) -> None:
    site.settings(connect="ssm")
    configure(site, rehearsal)
    ssh = ("ssh", "-F", "ansible/secrets/ssh_config", "-o", "BatchMode=yes")
    assert site.run(*ssh, "fruits-worker-1", "hostname").splitlines()[-1] == "worker-1"
    assert site.run(*ssh, "master", "hostname").splitlines()[-1] == "master"
    known = (site.folder / "ansible/secrets/known_hosts").read_text()
    assert {line.split()[0] for line in known.splitlines()} == {MASTER, WORKER}

    ansible = Path(sys.executable).with_name("ansible")
    options = ("-i", "hosts.yml", "--playbook-dir", "ansible", "--become")
    said = site.run(ansible, "aws_ec2", *options, "-m", "command", "-a", "hostname")
    assert said.count("rc=0") == 2, said
    said = site.run(
        ansible, "fruits-worker-1", *options, "-m", "copy", "-a", "content=a dest=/tmp/a"
    )
    assert "CHANGED" in said, said


def test_a_jump_host_leads_to_a_real_host(site: Site, rehearsal: Rehearsal) -> None:
    """From worker-2, as the operator's machine, where the jump host is known."""
    bastion = rehearsal.address("master")
    site.settings(ssh_jump=f"admin@{bastion}", ssh_from=[f"{bastion}/32"])
    configure(site, rehearsal)
    secrets = site.folder / "ansible" / "secrets"
    rehearsal.on("worker-2", "mkdir", "-p", str(secrets), "/root/.ssh")
    for name in ("ssh_config", "fruits-eu-west-3.pem"):
        rehearsal.write("worker-2", str(secrets / name), (secrets / name).read_text())
    mine = f"Host {bastion}\n  IdentityFile {secrets}/fruits-eu-west-3.pem\n"
    rehearsal.write("worker-2", "/root/.ssh/config", mine)
    known = rehearsal.on("worker-2", "ssh-keyscan", bastion)
    rehearsal.write("worker-2", "/root/.ssh/known_hosts", known)

    options = ("-F", str(secrets / "ssh_config"), "-o", "BatchMode=yes")
    command = "hostname; echo $SSH_CLIENT"
    try:
        said = rehearsal.on("worker-2", "ssh", *options, "fruits-worker-1", command)
    finally:
        rehearsal.on("worker-2", "rm", "-rf", "/root/.ssh/config", "/root/.ssh/known_hosts")
        rehearsal.on("worker-2", "rm", "-rf", str(secrets))
    name, client = said.splitlines()[-2:]
    assert name == "worker-1"
    assert client.split()[0] == bastion
