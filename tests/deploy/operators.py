"""An operator's checkout, whose hosts on AWS are those of a recorded inventory."""

import subprocess
from pathlib import Path
from typing import Any

import yaml

from deploy.playbooks import make_site, operators_environ, playbook

Hosts = dict[str, dict[str, str]]
AWS = """#!/bin/sh
printf '%s\\n' "$@" >>"$SITE/words"
"""


class Site:
    """The first host is the master. The command `aws` only notes its words."""

    def __init__(self, folder: Path, hosts: Hosts) -> None:
        self.folder = folder
        make_site(folder)
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name in ("aws", "session-manager-plugin"):
            (self.bin / name).write_text(AWS)
            (self.bin / name).chmod(0o755)
        self.environ = {**operators_environ(), "SITE": str(folder)}
        self.environ["PATH"] = f"{self.bin}:{self.environ['PATH']}"
        master, *workers = hosts
        groups = {"spark_master": [master], "spark_workers": workers, "aws_ec2": list(hosts)}
        inventory = {
            group: {"hosts": {name: hosts[name] for name in names}}
            for group, names in groups.items()
        }
        (folder / "hosts.yml").write_text(yaml.safe_dump(inventory))

    def settings(self, **settings: Any) -> None:
        own = {"bucket": "my-fruits", "workers": 1, **settings}
        (self.folder / "ansible" / "cluster.yml").write_text(yaml.safe_dump(own))

    def playbook(self, name: str, *options: str, check: bool = True) -> str:
        return playbook(
            self.folder, name, "-i", "hosts.yml", *options, check=check, environ=self.environ
        )

    def run(self, *command: str | Path) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environ, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False,
        )  # fmt: skip
        return done.stdout

    def ssh_options(self, host: str) -> dict[str, str]:
        """What ssh makes of the configuration that tunnel.yml has written."""
        said = self.run("ssh", "-G", "-F", "ansible/secrets/ssh_config", host)
        return dict(line.partition(" ")[::2] for line in said.splitlines())

    def words(self) -> list[str]:
        """What `aws` was called with."""
        return (self.folder / "words").read_text().split()
