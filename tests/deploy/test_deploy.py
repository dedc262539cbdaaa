"""The playbooks on three stand-ins for hosts, in the order of a cluster's life.

Each test goes on where the one before has ended: a cluster is deployed, used, broken, and mended.
"""

import csv
import io
import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener, urlopen

import numpy as np
import pytest
from places import SAMPLES

from deploy.rehearsal import ADDRESSES, BUCKET, KEYS, TAG, Rehearsal, changes, docker

WORKERS = ("worker-1", "worker-2")


@pytest.fixture(scope="module")
def deployed(rehearsal: Rehearsal) -> Rehearsal:
    """The cluster as the first deploy.yml leaves it, with photos in the bucket."""
    rehearsal.playbook("deploy")
    photos = _photos()
    for photo in photos.rglob("*"):
        if photo.is_file():
            key = f"photos/{photo.relative_to(photos).as_posix()}"
            rehearsal.s3.upload_file(str(photo), BUCKET, key)
    return rehearsal


def _photos() -> Path:
    """Real photos where there are some; else those that are rendered for the demo."""
    real = os.environ.get("FRUITS_TEST_PHOTOS")
    return Path(real) / "Apple" if real and Path(real, "Apple").is_dir() else SAMPLES


def _rows(data: bytes | str) -> dict[str, list[str]]:
    text = data.decode("utf-8") if isinstance(data, bytes) else data
    return {row[0]: row[1:] for row in csv.reader(io.StringIO(text))}


def _results(cluster: Rehearsal, prefix: str = "results") -> bytes:
    data: bytes = cluster.s3.get_object(Bucket=BUCKET, Key=f"{prefix}/results.csv")["Body"].read()
    return data


@pytest.mark.smoke
def test_a_second_deploy_changes_nothing(deployed: Rehearsal) -> None:
    assert changes(deployed.playbook("deploy")) == dict.fromkeys(("localhost", *ADDRESSES), 0)


@pytest.mark.smoke
def test_a_run_leaves_what_one_process_makes(deployed: Rehearsal, tmp_path: Path) -> None:
    said = deployed.playbook("run")
    assert f"s3://{BUCKET}/results/results.csv" in said
    manifest = json.loads(
        deployed.s3.get_object(Bucket=BUCKET, Key="results/manifest.json")["Body"].read()
    )
    subprocess.run(
        [
            *(Path(sys.executable).with_name("fruits"), "run", _photos(), tmp_path),
            *("--weights", manifest["model"]["name"], "--master", "local[2]"),
        ],
        env={k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
        capture_output=True,
        check=True,
    )
    here = _rows((tmp_path / "results.csv").read_text("utf-8"))
    there = _rows(_results(deployed))
    assert list(there) == list(here)
    assert there.pop("path") == here.pop("path")
    values = [np.array([row[1:] for row in rows.values()], float) for rows in (there, here)]
    np.testing.assert_allclose(*values, rtol=0, atol=1e-4)


def test_status_tells_hosts_services_runs_and_backups(deployed: Rehearsal) -> None:
    said = deployed.playbook("status")
    for name in ADDRESSES:
        assert re.search(rf"{name} +{re.escape(deployed.address(name))} +[0-9]+%", said)
    assert said.count(f"version {_version(deployed)}") == len(ADDRESSES)
    for service, count in (("spark-worker", 2), ("jupyterhub", 1), ("history", 1)):
        assert len(re.findall(rf"{service}: Up .*healthy", said)) == count
    assert "2 of 2 registered" in said
    assert re.search(r"last runs .*, scientist", said)


def _version(cluster: Rehearsal) -> str:
    return cluster.on("master", "cat", "/opt/fruits/version").strip()


@pytest.mark.smoke
def test_only_ssh_is_open_to_others(deployed: Rehearsal) -> None:
    """All ports of all hosts, from a machine beside them that is none of them."""
    hosts = [deployed.address(name) for name in ADDRESSES]
    store = deployed.address("object-store")
    expected = {*(f"{host} 22" for host in hosts), f"{store} 7070"}
    assert _open_ports(deployed, [*hosts, store], "range(1, 65536)", 0.4) <= expected
    assert _open_ports(deployed, [*hosts, store], "(22, 7070)", 10) == expected


def _open_ports(deployed: Rehearsal, hosts: list[str], ports: str, timeout_s: float) -> set[str]:
    """Those that let a stranger connect, as "ADDRESS PORT"; others answer nothing at all."""
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
    for start in range(0, len(everything), 2500):
        await asyncio.gather(*(scan(*each) for each in everything[start : start + 2500]))
asyncio.run(main())
"""
    said = docker(
        *("run", "--rm", "--network", deployed.network, "--ulimit", "nofile=8192"),
        *("--entrypoint", "python3", f"fruits/base:{TAG}", "-c", program, *hosts),
    )
    return set(said.splitlines())


def test_ssh_takes_keys_only(deployed: Rehearsal) -> None:
    for name in ADDRESSES:
        settings = deployed.on(name, "sshd", "-T").splitlines()
        assert "passwordauthentication no" in settings
        assert "kbdinteractiveauthentication no" in settings
        assert "permitrootlogin no" in settings


def test_the_hub_is_reached_through_the_tunnel(deployed: Rehearsal) -> None:
    with deployed.tunnel() as ports:
        for port, path, expected in (
            (ports[8000], "/hub/login", "JupyterHub"),
            (ports[8080], "/", "Spark Master"),
            (ports[18080], "/", "History Server"),
        ):
            assert expected in _get(f"http://127.0.0.1:{port}{path}")


def _may_log_in(port: int, password: str) -> bool:
    jar = CookieJar()
    browser = build_opener(HTTPCookieProcessor(jar))
    address = f"http://127.0.0.1:{port}/hub/login"
    browser.open(address, timeout=20).close()
    xsrf = next(cookie.value for cookie in jar if cookie.name == "_xsrf")
    form = {"username": "scientist", "password": password, "_xsrf": xsrf}
    with suppress(HTTPError):
        browser.open(address, urlencode(form).encode(), timeout=120).close()
    return any(cookie.name.startswith("jupyterhub-session-id") for cookie in jar) and any(
        cookie.name == "jupyterhub-hub-login" for cookie in jar
    )


def _get(url: str) -> str:
    with urlopen(url, timeout=20) as answer:
        text: str = answer.read().decode("utf-8")
    return text


def test_no_key_of_s3_and_no_secret_lies_open_on_a_host(deployed: Rehearsal) -> None:
    spark = deployed.on("master", "cat", "/opt/fruits/secrets/spark").strip()
    password = (deployed.site / "ansible" / "secrets" / "scientist").read_text().strip()
    assert len(spark) >= 32
    for name in ADDRESSES:
        shown = [
            deployed.on(name, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '"),
            deployed.on(name, "sh", "-c", "docker inspect $(docker ps -q)"),
            deployed.compose(name, "logs"),
            deployed.on(name, "journalctl", "--no-pager"),
        ]
        for secret in (spark, password, KEYS["SecretAccessKey"]):
            assert not [text[:200] for text in shown if secret in text]
        folders = ("/opt", "/etc", "/home", "/var/lib/docker/volumes")
        search = ("grep", "-rlF", KEYS["SecretAccessKey"], *folders)
        assert not deployed.on(name, *search, check=False).strip()
        modes = deployed.on(name, "find", "/opt/fruits", "-perm", "/o=rwx")
        assert not modes.strip()
    log = (deployed.site / "playbooks.log").read_text()
    assert spark not in log
    assert password not in log


def test_a_host_that_was_started_again_works(deployed: Rehearsal) -> None:
    for name in WORKERS:
        docker("restart", f"{deployed.network}-{name}")
    deployed.wait_for_workers(2)


def test_an_update_that_fails_says_how_to_go_back_and_does(deployed: Rehearsal) -> None:
    before, results = _version(deployed), _results(deployed)
    home = "/home/scientist/mine.ipynb"
    deployed.compose(
        "master",
        "exec",
        "-T",
        "jupyterhub",
        "as-user",
        "scientist",
        "sh",
        "-c",
        f"echo mine >{home}",
    )
    for name in ("spark-master", "jupyterhub", "spark-worker"):
        broken = "CMD ['false']".replace("'", '"') if name == "spark-worker" else ""
        docker("build", "--quiet", "--tag", f"fruits/{name}:next", "-",
               input=f"FROM fruits/{name}:{TAG}\nLABEL rehearsal=next\n{broken}\n")  # fmt: skip
    said = deployed.playbook("deploy", "-e", "local_tag=next", check=False)
    (back,) = set(re.findall(r"ansible-playbook ansible/deploy.yml -e version=(\S+)", said))
    assert back == before
    assert _version(deployed) == before

    deployed.playbook("deploy", "-e", f"version={back}")
    assert _version(deployed) == before
    assert _results(deployed) == results
    kept = deployed.compose(
        "master", "exec", "-T", "jupyterhub", "as-user", "scientist", "cat", home
    )
    assert kept == "mine\n"


def test_a_version_that_nobody_has_is_refused(deployed: Rehearsal) -> None:
    said = deployed.playbook("deploy", "-e", "version=0.0.0-none", check=False)
    assert "has version 0.0.0-none" in said
    assert _version(deployed) in said


def test_a_worker_lost_in_the_middle_of_a_run_only_slows_it(deployed: Rehearsal) -> None:
    many = [
        (f"many/{copy}/{photo.name}", photo)
        for copy in range(12)
        for photo in sorted(_photos().rglob("*.jpg"))[:60]
    ]
    for key, photo in many:
        deployed.s3.upload_file(str(photo), BUCKET, key)
    run = deployed.start_run(f"s3://{BUCKET}/many", f"s3://{BUCKET}/of-many")
    _until_featurizing(run)
    deployed.remove_host("worker-2")
    said, _ = run.communicate(timeout=300)
    assert run.returncode == 0, said
    rows = _rows(_results(deployed, "of-many"))
    assert len(rows) - 1 == len(many)
    said = deployed.playbook("status")
    assert re.search(r"worker-2 .*does not answer", said)
    assert "1 of 2 registered" in said


def _until_featurizing(run: "subprocess.Popen[str]") -> None:
    assert run.stdout
    for line in run.stdout:
        if re.match(r"featurize: [1-9]", line):
            return
    raise AssertionError("the run ended before it featurized")


def test_lost_hosts_are_replaced_and_the_hub_comes_from_its_backup(deployed: Rehearsal) -> None:
    results = _results(deployed)
    saved = deployed.playbook("backup")
    (key,) = set(re.findall(rf"s3://{BUCKET}/(backups/\S+gpg)", saved))
    backup = deployed.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert not backup.startswith(b"\x1f\x8b")  # of gzip: not to be read by who may read the bucket
    deployed.remove_host("master")
    for name in ("master", "worker-2"):
        deployed.start_host(name)
    deployed.playbook("deploy")
    deployed.wait_for_workers(2)
    assert _results(deployed) == results
    there = ("master", "exec", "-T", "jupyterhub", "as-user", "scientist", "ls")
    assert "mine.ipynb" not in deployed.compose(*there)
    assert "restore one first" in deployed.playbook("backup", check=False)  # of an empty Hub
    deployed.playbook("restore")
    assert "mine.ipynb" in deployed.compose(*there)
    password = (deployed.site / "ansible" / "secrets" / "scientist").read_text().strip()
    with deployed.tunnel() as ports:
        assert _may_log_in(ports[8000], password)
        assert not _may_log_in(ports[8000], "not the password")


def test_a_worker_that_leaves_finishes_what_it_does(deployed: Rehearsal) -> None:
    """The role that provision.yml gives to workers that are too many."""
    (deployed.site / "ansible" / "leave.yml").write_text(
        "- {hosts: worker-2, become: true, gather_facts: false, roles: [drain]}\n"
    )
    run = deployed.start_run(f"s3://{BUCKET}/many", f"s3://{BUCKET}/drained")
    _until_featurizing(run)
    deployed.playbook("leave", "-e", "drain_minutes=5")
    said, _ = run.communicate(timeout=300)
    assert run.returncode == 0, said
    assert len(_rows(_results(deployed, "drained"))) == len(_rows(_results(deployed, "of-many")))
    deployed.wait_for_workers(1)
