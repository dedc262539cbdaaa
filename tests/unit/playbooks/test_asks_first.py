"""deploy.yml asks before it interrupts running work; here without a terminal, so it must refuse.

Scripts stand in for Docker, whose hash of the Hub is its driver's memory, and for what runs.
"""

import os
import shutil
from pathlib import Path

import pytest
from places import ROOT
from plays import play

_COMMANDS = {
    "docker": """case "$*" in
*ps*) echo 'jupyterhub DRIVER_MEMORY=1024m' ;;
*hash*) echo "jupyterhub $(grep DRIVER_MEMORY .env | tail -n 1)" ;;
esac""",
    "python3": "cat >/dev/null; echo a run of the pipeline",
}
_SETTINGS = {
    "assume_yes": False,
    "bucket": "b",
    "driver_memory_mb": 1024,
    "executor_mb": 1000,
    "executor_memory_mb": 512,
    "hub_domain": "",
    "hub_oauth": {},
    "hub_user": "ada",
    "private_address": "10.0.0.1",
    "region": "eu-west-3",
    "s3_endpoint_url": "",
    "s3_keys_file": "",
    "services": ["jupyterhub"],
    "sessions": 1,
    "spark_secret": "secret",
    "system_memory_mb": 400,
    "worker_cores": 2,
    "worker_own_mb": 500,
}


_FACTS = {"memtotal_mb": 8000, "processor_vcpus": 2, "cacheable": True}


def _deploy(tmp_path: Path, **settings: object) -> str | None:
    """Run the role that asks; returns its last message if it refuses."""
    home, site = tmp_path / "home", tmp_path / "site"
    for folder in (home / "compose", home / "secrets", site / "ansible", tmp_path / "bin"):
        folder.mkdir(parents=True)
    shutil.copytree(ROOT / "compose", site / "compose")
    for name, text, group, mode in (
        ("spark", "secret", 10001, 0o440),
        ("s3", "# The role of this host gives access to S3: there is no key.", 0, 0o440),
        ("oauth", "", 0, 0o400),
    ):
        (home / "secrets" / name).write_text(text)
        (home / "secrets" / name).chmod(mode)
        os.chown(home / "secrets" / name, 0, group)
    for name, text in _COMMANDS.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    version = {"ansible.builtin.set_fact": {"images_version": "1.2-abc"}}
    done = play(
        site / "ansible",
        {"one": {}},
        {"ansible.builtin.set_fact": _FACTS},
        {**version, "delegate_to": "localhost", "delegate_facts": True},
        {"ansible.builtin.include_role": {"name": "running_work"}},
        environ={"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"},
        **{**_SETTINGS, "home": str(home), **settings},
    )
    if done.returncode == 0:
        return None
    return " ".join(done.stdout.partition("FAILED!")[2].split()) or done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write the secrets of a host")
@pytest.mark.parametrize(
    ("settings", "asks"),
    [
        ({"driver_memory_mb": 2048}, True),
        ({}, False),
        ({"running_work_certain": ["jupyterhub"], "running_work_command": "rotation"}, True),
        ({"running_work_certain": [], "running_work_command": "rotation"}, False),
    ],
)
def test_a_deploy_asks_if_it_would_interrupt_something(
    tmp_path: Path, settings: dict[str, object], asks: bool
) -> None:
    said = _deploy(tmp_path, **settings)
    if asks:
        command = settings.get("running_work_command", "deploy")
        assert f"this {command} would interrupt a run of the pipeline" in str(said)
        assert "without a terminal, pass -e assume_yes=true" in str(said)
    else:
        assert said is None
