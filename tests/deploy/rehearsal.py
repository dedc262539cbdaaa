"""Containers that emulate three EC2 hosts and S3, and the playbooks as a user runs them."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from gate import Gate
from leftovers import remove_containers
from ports import free_ports

from deploy.engines import ENGINE_OPTIONS, NAME, TAG, docker, give_images
from deploy.playbooks import operators_environ, playbook, wait_for_port

BUCKET = "fruits-rehearsal"
ADDRESSES = {"master": 10, "worker-1": 11, "worker-2": 12}
WORKERS = ("worker-1", "worker-2")
SERVERS = {"object-store": 5, "registry": 6}
_COMPOSE = ("docker", "compose", "--project-directory", "/opt/fruits/compose")
_AS_SCIENTIST = ("exec", "-T", "jupyterhub", "as-user", "scientist")
KEYS = {"AccessKeyId": "rehearsalrole", "SecretAccessKey": "not-of-any-account-0123456789"}


class Rehearsal:
    """The hosts and the object store, in their own network."""

    def __init__(self, site: Path) -> None:
        self.site = site
        self.network = NAME
        # Let Docker find a free subnet; static addresses are only allowed in an explicit one.
        docker("network", "create", NAME)
        subnet = docker("network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", NAME)
        docker("network", "rm", NAME)
        docker("network", "create", "--subnet", subnet.strip(), NAME)
        self.prefix = subnet.rpartition(".")[0]
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", site / "key"],  # noqa: S607
            check=True,
        )
        self._start_object_store()
        for name in ADDRESSES:
            give_images(name)
            self.start_host(name)
        self._write_settings()

    def address(self, name: str) -> str:
        return f"{self.prefix}.{(ADDRESSES | SERVERS)[name]}"

    @property
    def s3_url(self) -> str:
        return f"http://{self.address('object-store')}:7070"

    def _start_object_store(self) -> None:
        keys = self.site / "s3"
        keys.write_text(
            f"[default]\naws_access_key_id = {KEYS['AccessKeyId']}\n"
            f"aws_secret_access_key = {KEYS['SecretAccessKey']}\n"
        )
        keys.chmod(0o644)
        self.run("object-store", "-e", f"BUCKET={BUCKET}", "-v", f"{keys}:/run/secrets/s3:ro",
                  f"fruits/object-store:{TAG}")  # fmt: skip

    def start_host(self, name: str) -> None:
        """Start a host like a new EC2 instance, with only the operator's public key on it."""
        options = [
            *ENGINE_OPTIONS,
            *("--tmpfs=/run", "--tmpfs=/run/lock", "--tmpfs=/tmp:exec"),
            f"--volume={NAME}-{name}:/var/lib/docker",
            "--env=container=docker",
            # For machines with only version 1 of control groups.
            "--env=SYSTEMD_PROC_CMDLINE=SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1",
        ]
        self.run(name, *options, f"fruits/rehearsal-host:{TAG}")
        self.write(name, "/root/role.json", json.dumps(KEYS))
        key = (self.site / "key.pub").read_text()
        self.write(name, "/home/admin/.ssh/authorized_keys", key, owner="admin")

    def run(self, name: str, *options: str) -> None:
        """Start a container in the network of the hosts."""
        docker("run", "--detach", "--name", f"{NAME}-{name}", "--hostname", name,
               "--network", NAME, "--ip", self.address(name), *options)  # fmt: skip

    def remove_host(self, name: str) -> None:
        """Remove a host abruptly, with everything on it except the images.

        Copying the images again would take minutes.
        """
        docker("rm", "--force", f"{NAME}-{name}", check=False)
        wipe = "rm -rf /d/containers/* /d/volumes/*"
        docker(
            *("run", "--rm", "--user", "root", "--volume", f"{NAME}-{name}:/d"),
            *("--entrypoint", "sh", f"fruits/base:{TAG}", "-c", wipe),
        )

    def write(self, host: str, path: str, text: str, owner: str = "root") -> None:
        command = f'install -m 600 -o "{owner}" -g "{owner}" /dev/stdin "{path}"'
        docker("exec", "--interactive", f"{NAME}-{host}", "sh", "-c", command, input=text)

    def on(self, host: str, *command: str, check: bool = True) -> str:
        """Run a command on a host as root and return its output."""
        return docker("exec", f"{NAME}-{host}", *command, check=check)

    def compose(self, host: str, *words: str) -> str:
        """Run `docker compose` on a host and return its output."""
        return self.on(host, *_COMPOSE, *words)

    def as_scientist(self, *command: str) -> str:
        """Run a command as the Hub's first user, in the home folder, and return its output."""
        return self.compose("master", *_AS_SCIENTIST, *command)

    def _write_settings(self) -> None:
        settings = {
            "bucket": BUCKET,
            "local_tag": TAG,
            "s3_endpoint_url": self.s3_url,
            "system_memory_mb": 4000,
            "metrics": True,
            "status_disk_percent": 100,  # this machine's disks may be fuller than allowed
        }
        (self.site / "ansible" / "cluster.yml").write_text(yaml.safe_dump(settings))
        ssh = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
        hosts = {name: {"ansible_host": self.address(name)} for name in ADDRESSES}
        inventory = {
            "spark_master": {"hosts": {"master": hosts.pop("master")}},
            "spark_workers": {"hosts": hosts},
            "all": {
                "vars": {
                    "ansible_user": "admin",
                    "ansible_ssh_private_key_file": str(self.site / "key"),
                    "ansible_ssh_common_args": ssh,
                }
            },
        }
        (self.site / "hosts.yml").write_text(yaml.safe_dump(inventory))

    def playbook(
        self, name: str, *options: str, check: bool = True, environ: dict[str, str] | None = None
    ) -> str:
        options = ("-i", "hosts.yml", *options)
        return playbook(self.site, name, *options, check=check, environ=environ)

    def start_run(self, photos: str, results: str, gate: Gate) -> "subprocess.Popen[str]":
        """Start the pipeline and return when it waits at the gate, in the middle of its photos."""
        command = ["env", *gate.environ, "fruits", "run", photos, results]
        run = subprocess.Popen(
            ["docker", "exec", f"{NAME}-master", *_COMPOSE, *_AS_SCIENTIST, *command],  # noqa: S607
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        gate.wait_until_held()
        return run

    @contextmanager
    def detour(self, gate: Gate) -> Iterator[None]:
        """Lead what workers read from the object store through the gate, in any run."""
        rule = (
            f"ip daddr {self.address('object-store')}",
            f"tcp dport 7070 dnat to {gate.address}",
        )
        for name in WORKERS:
            self.on(name, "nft", "add table ip detour")
            chain = "{ type nat hook output priority -100; }"
            self.on(name, "nft", f"add chain ip detour out {chain}")
            self.on(name, "nft", f"add rule ip detour out {' '.join(rule)}")
        try:
            yield
        finally:
            for name in WORKERS:
                self.on(name, "nft", "delete table ip detour")

    def workers(self) -> int:
        """Number of workers registered with the master."""
        return sum(worker["state"] == "ALIVE" for worker in self.master_state("workers"))

    def master_state(self, key: str) -> list[dict[str, Any]]:
        """What the Spark master tells of its workers or applications; nothing while it is down."""
        url = "http://127.0.0.1:8080/json/"
        ask = f"import urllib.request as u; print(u.urlopen('{url}').read().decode())"
        try:
            state: dict[str, Any] = json.loads(self.on("master", "python3", "-c", ask, check=False))
        except ValueError:
            return []
        found: list[dict[str, Any]] = state[key]
        return found

    def wait_for_workers(self, count: int, timeout_s: float = 120) -> None:
        """Wait until the master has `count` workers."""
        end = time.monotonic() + timeout_s
        while self.workers() != count:
            assert time.monotonic() < end, f"not {count} workers after {timeout_s} s"
            time.sleep(1)

    def mend(self) -> None:
        """Restart missing hosts and redeploy if necessary."""
        running = docker("ps", "--format", "{{.Names}}").split()
        lost = [name for name in ADDRESSES if f"{NAME}-{name}" not in running]
        for name in lost:
            if docker("ps", "--all", "--quiet", "--filter", f"name=^{NAME}-{name}$"):  # is off
                docker("start", f"{NAME}-{name}")
            else:
                self.start_host(name)
        if lost or self.workers() != len(ADDRESSES) - 1:
            self.playbook("deploy", "-e", "assume_yes=true")
            self.wait_for_workers(len(ADDRESSES) - 1)

    @contextmanager
    def tunnel(self) -> Iterator[dict[int, int]]:
        """Open `make tunnel`; yields the local port for each port of the master host."""
        ports = dict(zip((8000, 8080, 18080), free_ports(3), strict=True))
        names = ("HUB_PORT", "MASTER_PORT", "HISTORY_PORT")
        tunnel = subprocess.Popen(
            ["ansible/tunnel.sh", "hosts.yml"],  # noqa: S607
            cwd=self.site,
            env={
                **operators_environ(),
                **dict(zip(names, map(str, ports.values()), strict=True)),
            },
        )
        try:
            for port in ports.values():
                wait_for_port(port, tunnel)
            yield ports
        finally:
            tunnel.terminate()
            tunnel.wait(10)

    @property
    def s3(self) -> Any:
        """A boto3 client for the object store, from outside the cluster."""
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.s3_url,
            aws_access_key_id=KEYS["AccessKeyId"],
            aws_secret_access_key=KEYS["SecretAccessKey"],
            region_name="eu-west-3",
        )


def clean_up() -> list[str]:
    """Remove what a rehearsal, possibly a killed one, has left; return the removed names."""
    return remove_containers(f"name=^{NAME}")
