"""The playbooks on three emulated hosts: a cluster is deployed, used, broken and repaired.

Each test can run on its own: fixtures bring the cluster into the state it needs.
"""

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
from gate import Gate

from deploy.bucket import MANY, photos, results_csv, rows
from deploy.engines import TAG, docker
from deploy.hub import may_log_in
from deploy.playbooks import changes
from deploy.rehearsal import ADDRESSES, BUCKET, KEYS, WORKERS, Rehearsal


@pytest.fixture(scope="module")
def results(deployed: Rehearsal) -> bytes:
    """The CSV that run.yml writes to the bucket."""
    deployed.mend()
    assert f"s3://{BUCKET}/results/results.csv" in deployed.playbook("run")
    return results_csv(deployed)


@pytest.mark.smoke
def test_a_second_deploy_changes_nothing(whole: Rehearsal) -> None:
    assert changes(whole.playbook("deploy")) == dict.fromkeys(("localhost", *ADDRESSES), 0)


@pytest.mark.smoke
def test_a_run_leaves_what_one_process_makes(
    deployed: Rehearsal, results: bytes, tmp_path: Path
) -> None:
    manifest = json.loads(
        deployed.s3.get_object(Bucket=BUCKET, Key="results/manifest.json")["Body"].read()
    )
    subprocess.run(
        [
            *(Path(sys.executable).with_name("fruits"), "run", photos(), tmp_path),
            *("--weights", manifest["model"]["name"], "--master", "local[2]"),
        ],
        env={k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
        capture_output=True,
        check=True,
    )
    local = rows((tmp_path / "results.csv").read_text("utf-8"))
    remote = rows(results)
    assert list(remote) == list(local)
    assert remote.pop("path") == local.pop("path")
    actual, expected = (
        np.array([row[1:] for row in rows.values()], float) for rows in (remote, local)
    )
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4)


_METRICS = """
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1:9100/metrics", timeout=20).read().decode())
"""


def test_status_tells_hosts_services_runs_and_backups(whole: Rehearsal) -> None:
    output = whole.playbook("status")
    for name in ADDRESSES:
        host = rf"{name} +{re.escape(whole.address(name))}"
        assert re.search(rf"{host} +[0-9]+% +[0-9.]+ of [0-9]+ +[0-9]+ of [0-9]+ MB", output)
        assert "node_load5 " in whole.on(name, "python3", "-c", _METRICS)
    assert output.count(f"version {_version(whole)}") == len(ADDRESSES)
    for service, count in (("spark-worker", 2), ("jupyterhub", 1), ("history", 1)):
        assert len(re.findall(rf"{service}: Up .*healthy", output)) == count
    assert "2 of 2 registered" in output
    assert "no estimate: the hosts are not on AWS" in output
    assert re.search(r"last runs .*, scientist", output)


def _version(cluster: Rehearsal) -> str:
    return cluster.on("master", "cat", "/opt/fruits/version").strip()


@pytest.mark.smoke
def test_only_ssh_is_open_to_others(whole: Rehearsal) -> None:
    """All ports of all hosts, scanned from another machine in their network."""
    hosts = [whole.address(name) for name in ADDRESSES]
    store = whole.address("object-store")
    expected = {*(f"{host} 22" for host in hosts), f"{store} 7070"}
    assert _open_ports(whole, [*hosts, store], "range(1, 65536)", 0.4) <= expected
    assert _open_ports(whole, [*hosts, store], "(22, 7070)", 10) == expected


def _open_ports(deployed: Rehearsal, hosts: list[str], ports: str, timeout_s: float) -> set[str]:
    """Ports that accept connections from others, as "ADDRESS PORT"; the rest don't respond."""
    program = f"""
import asyncio, sys
async def scan(host, port):
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), {timeout_s})
    except OSError:
        return
    writer.close()
    print(host, port)
async def main():
    everything = [(host, port) for port in {ports} for host in sys.argv[1:]]
    for start in range(0, len(everything), 8000):
        await asyncio.gather(*(scan(*each) for each in everything[start : start + 8000]))
asyncio.run(main())
"""
    output = docker(
        *("run", "--rm", "--network", deployed.network, "--ulimit", "nofile=8192"),
        *("--entrypoint", "python3", f"fruits/base:{TAG}", "-c", program, *hosts),
    )
    return set(output.splitlines())


def test_ssh_takes_keys_only(whole: Rehearsal) -> None:
    for name in ADDRESSES:
        settings = whole.on(name, "sshd", "-T").splitlines()
        assert "passwordauthentication no" in settings
        assert "kbdinteractiveauthentication no" in settings
        assert "permitrootlogin no" in settings


def test_the_hub_is_reached_through_the_tunnel(whole: Rehearsal) -> None:
    with whole.tunnel() as ports:
        for port, path, expected in (
            (ports[8000], "/hub/login", "JupyterHub"),
            (ports[8080], "/", "Spark Master"),
            (ports[18080], "/", "History Server"),
        ):
            assert expected in _get(f"http://127.0.0.1:{port}{path}")


def _get(url: str) -> str:
    with urlopen(url, timeout=20) as answer:
        text: str = answer.read().decode("utf-8")
    return text


def test_no_key_of_s3_and_no_secret_lies_open_on_a_host(whole: Rehearsal) -> None:
    spark = whole.on("master", "cat", "/opt/fruits/secrets/spark").strip()
    password = (whole.site / "ansible" / "secrets" / "scientist").read_text().strip()
    assert len(spark) >= 32
    for name in ADDRESSES:
        shown = [
            whole.on(name, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"),
            whole.on(name, "sh", "-c", "docker inspect $(docker ps -q)"),
            whole.compose(name, "logs"),
            whole.on(name, "journalctl", "--no-pager"),
        ]
        for secret in (spark, password, KEYS["SecretAccessKey"]):
            assert not [text[:200] for text in shown if secret in text]
        folders = ("/opt", "/etc", "/home", "/var/lib/docker/volumes")
        search = ("grep", "-rlF", KEYS["SecretAccessKey"], *folders)
        assert not whole.on(name, *search, check=False).strip()
        modes = whole.on(name, "find", "/opt/fruits", "-perm", "/o=rwx")
        assert not modes.strip()
    log = (whole.site / "playbooks.log").read_text()
    assert spark not in log
    assert password not in log


@pytest.mark.smoke
def test_the_role_gives_no_keys_to_who_needs_none(whole: Rehearsal) -> None:
    """Containers use the host's network, where EC2's metadata service has the role's keys."""
    ask = "exec 3<>/dev/tcp/169.254.169.254/80 && echo open"
    for name, account, open_ in (
        ("master", "10003", False),  # the Hub's proxy
        ("master", "10001", False),  # Spark's master and history
        ("master", "10005", False),  # the proxy for HTTPS
        ("master", "65534", False),
        ("master", "10004", True),  # the page
        ("master", "20000", True),  # a user of the Hub
        ("worker-1", "10001", True),  # executors
    ):
        identity = ("setpriv", f"--reuid={account}", f"--regid={account}", "--clear-groups")
        command = (*identity, "timeout", "10", "bash", "-c", ask)
        said = whole.on(name, *command, check=False)
        assert (said.strip() == "open") == open_, (name, account, said)


def test_a_host_that_was_started_again_works(whole: Rehearsal) -> None:
    for name in WORKERS:
        docker("restart", f"{whole.network}-{name}")
    whole.wait_for_workers(2)
    for name in WORKERS:
        assert "policy drop" in whole.on(name, "nft", "list", "table", "inet", "fruits")


def test_an_update_that_fails_says_how_to_go_back_and_does(
    whole: Rehearsal, results: bytes
) -> None:
    before = _version(whole)
    whole.as_scientist("sh", "-c", "echo mine >mine.ipynb")
    for name in ("spark-master", "jupyterhub", "spark-worker"):
        broken = "CMD ['false']".replace("'", '"') if name == "spark-worker" else ""
        docker("build", "--quiet", "--tag", f"fruits/{name}:next", "-",
               input=f"FROM fruits/{name}:{TAG}\nLABEL rehearsal=next\n{broken}\n")  # fmt: skip
    output = whole.playbook("deploy", "-e", "local_tag=next", check=False)
    (back,) = set(re.findall(r"ansible-playbook ansible/deploy.yml -e version=(\S+)", output))
    assert back == before
    assert _version(whole) == before

    whole.playbook("deploy", "-e", f"version={back}")
    assert _version(whole) == before
    assert results_csv(whole) == results
    assert whole.as_scientist("cat", "mine.ipynb") == "mine\n"


def test_a_version_that_nobody_has_is_refused(whole: Rehearsal) -> None:
    output = whole.playbook("deploy", "-e", "version=0.0.0-none", check=False)
    assert "has version 0.0.0-none" in output
    assert _version(whole) in output


def test_a_worker_lost_in_the_middle_of_a_run_only_slows_it(
    whole: Rehearsal, gate: Gate, many: int
) -> None:
    run = whole.start_run(MANY, f"s3://{BUCKET}/of-many", gate)
    whole.remove_host("worker-2")
    gate.open()
    output, _ = run.communicate(timeout=300)
    assert run.returncode == 0, output
    assert len(rows(results_csv(whole, "of-many"))) - 1 == many
    output = whole.playbook("status", check=False)  # something needs attention
    assert re.search(r"worker-2 .*does not respond", output)
    assert "1 of 2 registered" in output


def test_lost_hosts_are_replaced_and_the_hub_comes_from_its_backup(
    whole: Rehearsal, results: bytes
) -> None:
    whole.as_scientist("sh", "-c", "echo mine >mine.ipynb")
    saved = whole.playbook("backup")
    (key,) = set(re.findall(rf"s3://{BUCKET}/(backups/\S+gpg)", saved))
    backup = whole.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert not backup.startswith(b"\x1f\x8b")  # gzip's magic number: the backup must be encrypted
    for name in ("master", "worker-2"):
        whole.remove_host(name)
    docker(
        "volume", "rm", f"{whole.network}-worker-2"
    )  # all layers of its images are copied over SSH
    for name in ("master", "worker-2"):
        whole.start_host(name)
    whole.playbook("deploy")
    whole.wait_for_workers(2)
    assert results_csv(whole) == results
    assert "mine.ipynb" not in whole.as_scientist("ls")
    assert "restore one first" in whole.playbook("backup", check=False)  # refused for an empty Hub
    assert "Cancelled, nothing was restored" in whole.playbook("restore", check=False)
    whole.playbook("restore", "-e", "assume_yes=true")
    assert "mine.ipynb" in whole.as_scientist("ls")
    password = (whole.site / "ansible" / "secrets" / "scientist").read_text().strip()
    with whole.tunnel() as ports:
        assert may_log_in(ports[8000], password)
        assert not may_log_in(ports[8000], "not the password")


def test_a_worker_that_leaves_finishes_what_it_does(
    whole: Rehearsal, gate: Gate, many: int
) -> None:
    """The role that provision.yml applies to surplus workers."""
    (whole.site / "ansible" / "leave.yml").write_text(
        "- {hosts: worker-2, become: true, gather_facts: false, roles: [drain]}\n"
    )
    run = whole.start_run(MANY, f"s3://{BUCKET}/drained", gate)
    with ThreadPoolExecutor(1) as executor:
        leaving = executor.submit(whole.playbook, "leave", "-e", "drain_minutes=5")
        whole.wait_for_workers(1)  # the master assigns no more work to the other one
        gate.open()
        leaving.result()
    output, _ = run.communicate(timeout=300)
    assert run.returncode == 0, output
    assert len(rows(results_csv(whole, "drained"))) - 1 == many
