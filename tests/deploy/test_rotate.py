"""rotate.yml on the emulated hosts: secrets of before open nothing, and all else works."""

import re
import subprocess
from pathlib import Path

import boto3
import yaml

from deploy.engines import NAME, docker
from deploy.hub import may_log_in
from deploy.playbooks import aws_environ, aws_server, changes
from deploy.rehearsal import ADDRESSES, Rehearsal


def test_old_secrets_open_nothing_and_old_backups_can_be_read(
    whole: Rehearsal, tmp_path: Path
) -> None:
    secrets, pem = whole.site / "ansible" / "secrets", _as_on_aws(whole)
    whole.as_scientist("sh", "-c", "echo mine >mine.ipynb")
    whole.playbook("backup")
    before = {name: _secrets(whole, name) for name in ADDRESSES}
    password = (secrets / "scientist").read_text().strip()
    others = f"ssh-ed25519 {'A' * 68} of-a-colleague"
    authorized = "/home/admin/.ssh/authorized_keys"
    whole.on("worker-1", "sh", "-c", f"echo {others} >>{authorized}")
    rotation = ("rotate", "-i", "aws.yml", "-e", "assume_yes=true")
    try:
        with aws_server(tmp_path) as url:
            docker("pause", f"{NAME}-worker-2")
            try:
                output = whole.playbook(*rotation, check=False, environ=aws_environ(url))
            finally:
                docker("unpause", f"{NAME}-worker-2")
            assert "worker-2" in output.partition("PLAY RECAP")[2]
            assert {name: _secrets(whole, name) for name in ADDRESSES} == before

            output = whole.playbook(*rotation, environ=aws_environ(url))
            ssm = boto3.client(
                "ssm", "eu-west-3", endpoint_url=url,
                aws_access_key_id="operator", aws_secret_access_key="secret",  # noqa: S106
            )  # fmt: skip
            stored = ssm.get_parameter(Name="/fruits/ssh-key", WithDecryption=True)
        assert stored["Parameter"]["Value"].strip() == pem.read_text().strip()
        for name in ADDRESSES:
            assert _accepts(whole, name, pem)
            assert not _accepts(whole, name, whole.site / "key")
        assert others in whole.on("worker-1", "cat", authorized)
    finally:  # later tests use their own key
        for name in ADDRESSES:
            whole.write(name, authorized, (whole.site / "key.pub").read_text(), owner="admin")
    after = {name: _secrets(whole, name) for name in ADDRESSES}
    assert len({secret["spark"] for secret in after.values()}) == 1
    assert after["master"]["spark"] != before["master"]["spark"]
    assert after["master"]["backup"] != before["master"]["backup"]
    assert after["master"]["cookies"] != before["master"]["cookies"]
    new = (secrets / "scientist").read_text().strip()
    for secret in (new, *after["master"].values()):
        assert secret not in output
    with whole.tunnel() as ports:
        assert not may_log_in(ports[8000], password)
        assert may_log_in(ports[8000], new)
    deployed = whole.playbook("deploy")  # its last part runs the pipeline
    assert changes(deployed) == dict.fromkeys(("localhost", *ADDRESSES), 0)

    whole.as_scientist("rm", "mine.ipynb")
    whole.playbook("restore", "-e", "assume_yes=true")
    assert whole.as_scientist("cat", "mine.ipynb") == "mine\n"
    with whole.tunnel() as ports:
        assert may_log_in(ports[8000], password)  # of the backup: hence, as docs/aws.md says:
        output = whole.playbook("rotate", "-e", "rotate=hub,ssh", "-e", "assume_yes=true")
        assert re.search("the key of hosts outside AWS is your own", output)
    with whole.tunnel() as ports:
        assert not may_log_in(ports[8000], password)


def _as_on_aws(cluster: Rehearsal) -> Path:
    """Write an inventory, aws.yml, that says the hosts are on AWS; returns their key."""
    pem = cluster.site / "ansible" / "secrets" / "fruits-eu-west-3.pem"
    pem.write_text((cluster.site / "key").read_text())
    pem.chmod(0o600)
    hosts = {name: {"instance_id": f"i-{name}"} for name in ADDRESSES}
    (cluster.site / "aws.yml").write_text(yaml.safe_dump({"aws_ec2": {"hosts": hosts}}))
    return pem


def _secrets(cluster: Rehearsal, name: str) -> dict[str, str]:
    files = {"spark": "/opt/fruits/secrets/spark"}
    if name == "master":
        files["backup"] = "/opt/fruits/secrets/backup"
        files["cookies"] = "/var/lib/docker/volumes/fruits_hub/_data/state/cookie_secret"
    return {each: cluster.on(name, "cat", file).strip() for each, file in files.items()}


def _accepts(cluster: Rehearsal, name: str, key: Path) -> bool:
    options = (
        *("-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes"),
        *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
    )
    command = [
        "ssh",
        "-F",
        "none",
        "-i",
        str(key),
        *options,
        f"admin@{cluster.address(name)}",
        "true",
    ]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
