"""Tasks of the playbooks, run on this machine as if it were several hosts."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from deploy.playbooks import make_site, operators_environ
from places import ROOT


def play(
    folder: Path,
    hosts: dict[str, dict[str, Any]],
    *tasks: dict[str, Any],
    environ: dict[str, str] | None = None,
    **variables: Any,
) -> "subprocess.CompletedProcess[str]":
    """Run the tasks on all hosts (names and variables), with the project's roles.

    The first host is the master, the others are workers (without any, their group does not
    exist). Commands find the host's name in HOST.
    """
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    master, *workers = hosts
    inventory = {
        "spark_master": {"hosts": {master: hosts[master]}},
        "all": {"vars": local | variables},
    }
    if workers:
        inventory["spark_workers"] = {"hosts": {name: hosts[name] for name in workers}}
    (folder / "hosts.yml").write_text(yaml.safe_dump(inventory))
    plays: list[dict[str, Any]] = [{"hosts": "all", "gather_facts": False, "tasks": list(tasks)}]
    plays[0]["environment"] = {"HOST": "{{ inventory_hostname }}"}
    (folder / "play.yml").write_text(yaml.safe_dump(plays))
    settings = {
        "ANSIBLE_ANY_ERRORS_FATAL": "false",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_ROLES_PATH": str(ROOT / "ansible" / "roles"),
        "ANSIBLE_FILTER_PLUGINS": str(ROOT / "ansible" / "filter_plugins"),
        "ANSIBLE_LIBRARY": str(ROOT / "ansible" / "library"),
    }
    return subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", "hosts.yml", "play.yml"],
        cwd=folder,
        env={**os.environ, **settings, **(environ or {})},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=120,
        check=False,
    )


def local_site(
    folder: Path, commands: dict[str, str], *workers: str, **variables: Any
) -> dict[str, str]:
    """Copy the playbooks to a folder, with this machine as the master in hosts.yml.

    Returns an environment in which the commands are shell scripts of the given text.
    """
    if not (folder / "ansible").exists():
        make_site(folder)
    (folder / "ansible" / "cluster.yml").write_text("bucket: my-fruits\n")
    local = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ansible_become": False,
        "home": str(folder / "home"),
    }
    # Variables of hosts override those of the playbooks.
    inventory = {"spark_master": {"hosts": {"one": local | variables}}}
    if workers:
        inventory["spark_workers"] = {"hosts": dict.fromkeys(workers, local | variables)}
    (folder / "hosts.yml").write_text(yaml.safe_dump(inventory))
    for name in ("bin", "home/compose", "home/secrets"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    environ = operators_environ()
    for name, text in commands.items():
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / "bin" / name).chmod(0o755)
    return environ | {"PATH": f"{folder / 'bin'}:{environ['PATH']}"}
