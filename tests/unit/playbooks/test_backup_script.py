"""The script that backs up the Hub: a backup appears in the bucket whole or not at all.

A script stands in for `docker compose exec`; tar, gpg and the upload are real.
"""

import fcntl
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from faulty_s3 import FaultyS3, faulty_s3
from places import ROOT
from roles import template

BUCKET_OBJECT = ROOT / "images" / "jupyterhub" / "bin" / "bucket-object"
SIZE, HALF_SIZE = 20_000_000, 18_000_000  # of two parts; more than one
_DOCKER = f"""#!/bin/bash
case "$*" in
"compose exec -T jupyterhub true") [ -e "$HOST/up" ] ;;
"compose run --rm --no-deps -T jupyterhub bucket-object "*)
    exec {sys.executable} {BUCKET_OBJECT} "${{@:8}}" ;;
"compose exec -T jupyterhub bucket-object "*)
    [ ! -e "$HOST/stopped" ] || {{ echo 'service "jupyterhub" is not running' >&2; exit 1; }}
    [ ! -e "$HOST/docker-fault" ] || . "$HOST/docker-fault"
    exec {sys.executable} {BUCKET_OBJECT} "${{@:6}}" ;;
"compose stop "*) touch "$HOST/stopped"; echo "$*" >>"$HOST/calls" ;;
"compose up "*) rm "$HOST/stopped"; echo "$*" >>"$HOST/calls" ;;
*) echo "$*" >>"$HOST/calls" ;;
esac
"""


class Host:
    """The master's files, and the bucket behind a proxy that can fail."""

    def __init__(self, folder: Path, bucket: str, proxy: FaultyS3) -> None:
        self.folder, self.bucket, self.proxy = folder, bucket, proxy
        self.volumes = folder / "volumes"
        self.homes = self.volumes / "fruits_homes" / "_data"
        users = self.volumes / "fruits_hub" / "_data" / "users"
        for path in (
            self.homes / "ada",
            users,
            folder / "compose",
            folder / "secrets",
            folder / "bin",
        ):
            path.mkdir(parents=True)
        (users / "passwd").write_text("ada")
        (folder / "secrets" / "backup").write_text("the key")
        (folder / "up").touch()
        self.command("docker", _DOCKER)
        self.install("lab")

    def install(self, cluster: str) -> None:
        script = template(
            "backup", "backup.sh", home=str(self.folder), cluster_name=cluster,
            backup_volumes=str(self.volumes), backup_wait_seconds=3, backup_lock_seconds=1,
        )  # fmt: skip
        (self.folder / "backup").write_text(script)
        (self.folder / "backup").chmod(0o700)

    def command(self, name: str, text: str) -> None:
        (self.folder / "bin" / name).write_text(text)
        (self.folder / "bin" / name).chmod(0o755)

    def backup(self, *words: str) -> "subprocess.CompletedProcess[str]":
        environ = {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "HOST": str(self.folder),
            "BUCKET": self.bucket,
            "AWS_ENDPOINT_URL": self.proxy.url,
        }
        return subprocess.run(
            [self.folder / "backup", *words], env=environ, text=True, capture_output=True,
            timeout=60, check=False,
        )  # fmt: skip

    def save(self, *words: str) -> str:
        done = self.backup("save", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def stored(self) -> list[str]:
        return [each.key for each in boto3.resource("s3").Bucket(self.bucket).objects.all()]

    def unfinished(self) -> int:
        uploads = boto3.client("s3").list_multipart_uploads(Bucket=self.bucket)
        return len(uploads.get("Uploads", []))


@pytest.fixture
def host(tmp_path: Path, s3: str, s3_endpoint: str) -> Iterator[Host]:
    with faulty_s3(s3_endpoint) as proxy:
        yield Host(tmp_path, s3, proxy)


def test_homes_come_back_as_they_were_saved(host: Host) -> None:
    """Of several parts, without a copy on the disk."""
    large = random.Random(0).randbytes(SIZE)
    (host.homes / "ada" / "large").write_bytes(large)
    (host.homes / "ada" / ".cache").mkdir()
    key = host.save()
    assert host.stored() == [key]
    assert key.startswith("backups/lab/2")
    stored = boto3.client("s3").get_object(Bucket=host.bucket, Key=key)["Body"].read()
    assert not stored.startswith(b"\x1f\x8b")
    assert len(stored) > len(large)
    (host.homes / "ada" / "large").unlink()
    done = host.backup("restore")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == key
    assert (host.homes / "ada" / "large").read_bytes() == large
    assert (host.folder / "calls").read_text().splitlines() == [
        "compose stop jupyterhub",
        "compose up --detach --no-deps --wait jupyterhub",
    ]


HALF = f'"$real" "$@" | head -c {HALF_SIZE}'
FAULTS = {
    "tar is killed": ("tar", f"{HALF}; kill -KILL $$"),
    "tar fails at its end": ("tar", '"$real" "$@"; exit 2'),
    "gzip is killed": ("gzip", f"{HALF}; kill -KILL $$"),
    "gpg is killed": ("gpg", f"{HALF}; kill -KILL $$"),
    "gpg fails at its end": ("gpg", '"$real" "$@"; exit 2'),
    "the connection to the container breaks": (
        "docker-fault",
        f'[ "$6" != put ] || {{ head -c {HALF_SIZE} '
        f'| {sys.executable} {BUCKET_OBJECT} "${{@:6}}"; exit 137; }}',
    ),
    "the upload is killed": (
        "docker-fault",
        f'[ "$6" != put ] || {{ {{ head -c {HALF_SIZE}; sleep 3; }} '
        f'| timeout --signal KILL 2 {sys.executable} {BUCKET_OBJECT} "${{@:6}}"; exit 137; }}',
    ),
    "the bucket fails": ("bucket", "PUT"),
    "the last request fails": ("bucket", "POST"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_backup_that_fails_is_not_in_the_bucket(host: Host, fault: str) -> None:
    (host.homes / "ada" / "large").write_bytes(random.Random(0).randbytes(SIZE))
    where, what = FAULTS[fault]
    if where == "bucket":
        host.proxy.plan(
            "denied",
            lambda method, path: method == what and "uploadId=" in path,
            let_through=1 if what == "PUT" else 0,
        )
    elif where == "docker-fault":
        (host.folder / where).write_text(what)
    else:
        host.command(where, f"#!/bin/bash\nreal=/usr/bin/{where}\n{what}\n")
    done = host.backup("save")
    assert done.returncode == 1, done.stderr
    assert "nothing was stored" in done.stderr
    assert host.stored() == []
    assert not (host.folder / "backed-up").exists()
    if where not in ("docker-fault", "bucket"):
        assert host.unfinished() == 0


def test_objects_of_the_bucket_are_never_replaced(host: Host) -> None:
    (host.folder / "secrets" / "backup").write_text("the key")
    boto3.client("s3").put_object(Bucket=host.bucket, Key="backups/lab/one", Body=b"first")
    environ = {**os.environ, "BUCKET": host.bucket}
    done = subprocess.run(
        [sys.executable, BUCKET_OBJECT, "put", "backups/lab/one", "END"], input="second END",
        env=environ, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "PreconditionFailed" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    body = boto3.client("s3").get_object(Bucket=host.bucket, Key="backups/lab/one")["Body"]
    assert body.read() == b"first"
    assert host.unfinished() == 0


def test_a_damaged_backup_touches_no_home(host: Host) -> None:
    key = host.save()
    s3 = boto3.client("s3")
    whole = s3.get_object(Bucket=host.bucket, Key=key)["Body"].read()
    (host.homes / "ada" / "since").write_text("later")
    damaged = {"cut": whole[:-30], "changed": whole[:-30] + bytes(30), "empty": b""}
    for name, body in damaged.items():
        s3.put_object(Bucket=host.bucket, Key=f"backups/{name}", Body=body)
        done = host.backup("restore", f"backups/{name}")
        assert done.returncode == 1
        assert f"can't read backups/{name}" in done.stderr
    assert not (host.folder / "calls").exists()  # the Hub was not even stopped
    (host.folder / "secrets" / "backup").write_text("another key")
    assert "its key was lost" in host.backup("restore", key).stderr


def test_each_cluster_has_backups_of_its_own(host: Host) -> None:
    """Those of earlier versions, in backups/ itself, are used until there is a newer one."""
    s3 = boto3.client("s3")
    key = host.save()
    old = "backups/2026-01-02T030405Z.tar.gz.gpg"
    s3.copy_object(Bucket=host.bucket, Key=old, CopySource=f"{host.bucket}/{key}")
    host.install("other")
    (host.folder / "backed-up").unlink()
    assert host.backup("list").stdout.split() == [old]
    refused = host.backup("save")
    assert refused.returncode == 2  # systemd does not try again
    assert "restore one first" in refused.stderr
    assert host.backup("restore").stdout.split()[-1] == old
    own = host.save()
    assert own.startswith("backups/other/")
    planted = ["backups/other/2999-01-01T000000Z.tar.gz.gpg", "backups/other/zzz", "backups/zzz/a"]
    for name in planted:
        s3.put_object(Bucket=host.bucket, Key=name, Body=b"not a backup")
    assert host.backup("list").stdout.split() == [own]
    assert host.backup("restore").stdout.split()[-1] == own


def test_a_backup_waits_for_the_container_after_a_boot(host: Host) -> None:
    (host.folder / "up").unlink()
    done = host.backup("save")
    assert done.returncode == 1
    assert "container is not running" in done.stderr
    with subprocess.Popen(["sh", "-c", f"sleep 1; touch {host.folder / 'up'}"]):  # noqa: S607
        assert host.save() in host.stored()


def test_a_backup_does_not_wait_for_ever_for_another(host: Host) -> None:
    with (host.folder / "backed-up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for verb in ("save", "restore"):
            done = host.backup(verb)
            assert done.returncode == 75
            assert "another backup or restore is running" in done.stderr
    assert host.save() in host.stored()


def test_systemd_tries_again_but_not_where_a_restore_is_needed(tmp_path: Path) -> None:
    unit = tmp_path / "fruits-backup.service"
    unit.write_text(
        template("backup", "backup.service", home="/usr/bin").replace("backup save", "true")
    )
    if shutil.which("systemd-analyze"):
        subprocess.run(["systemd-analyze", "verify", unit], check=True)  # noqa: S607
    lines = unit.read_text().splitlines()
    assert "Restart=on-failure" in lines
    assert "RestartPreventExitStatus=2" in lines
    assert any(line.startswith("StartLimitBurst=") for line in lines)
