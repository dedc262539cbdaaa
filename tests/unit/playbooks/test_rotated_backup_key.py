"""After rotate.yml, backups of before can be read, also by a new master or operator."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from plays import play
from roles import template

_DOCKER = """#!/bin/bash
case "$*" in
*"bucket-object list"*) cd "$HOST" && find backups -type f ;;
*"bucket-object get "*) cat "$HOST/${@: -1}" ;;
*"bucket-object put "*) mkdir -p "$HOST/${7%/*}"; sed "s/$8$//" >"$HOST/$7" ;;
esac
"""


class Cluster:
    """A master and an operator's secrets."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home, self.own = folder, folder / "home", folder / "own"
        for path in ("backups", "home/secrets", "home/compose", "bin", "v/fruits_hub/_data/users"):
            (folder / path).mkdir(parents=True)
        self.homes = folder / "v" / "fruits_homes" / "_data"
        self.homes.mkdir(parents=True)
        (folder / "bin" / "docker").write_text(_DOCKER)
        (folder / "bin" / "docker").chmod(0o755)
        script = template(
            "backup", "backup.sh", home=str(self.home), backup_volumes=str(folder / "v")
        )
        (self.home / "backup").write_text(script)
        (self.home / "backup").chmod(0o700)

    def include(self, tasks: str) -> None:
        task: dict[str, Any] = {
            "ansible.builtin.include_role": {"name": "backup", "tasks_from": tasks}
        }
        done = play(
            self.folder, {"localhost": {}}, task,
            home=str(self.home), secrets_folder=str(self.own),
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        for key in self.keys():
            assert key not in done.stdout

    def keys(self) -> list[str]:
        files = [self.own / "backup-key.old", self.own / "backup-key"]
        return [key for file in files if file.exists() for key in file.read_text().split()]

    def backup(self, *words: str) -> "subprocess.CompletedProcess[str]":
        environ = {"PATH": f"{self.folder / 'bin'}:/usr/bin:/bin", "HOST": str(self.folder)}
        return subprocess.run(
            [self.home / "backup", *words], env=environ, text=True, capture_output=True,
            timeout=60, check=False,
        )  # fmt: skip


def test_each_backup_is_read_with_the_key_of_its_time(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path)
    cluster.include("key")
    saved = {}
    for number in range(3):
        (cluster.homes / "file").write_text(str(number))
        done = cluster.backup("save")
        assert done.returncode == 0, done.stderr
        new = cluster.folder / f"backups/{number}"
        shutil.move(cluster.folder / done.stdout.strip(), new)
        saved[number] = f"backups/{number}"
        if number < 2:
            cluster.include("rotate")
    assert len(set(cluster.keys())) == 3

    shutil.rmtree(cluster.home / "secrets")  # a new master
    (cluster.home / "secrets").mkdir()
    cluster.include("key")
    shutil.rmtree(cluster.own)  # another operator
    cluster.include("key")
    assert len(set(cluster.keys())) == 3
    for file in ("backup", "backup.old"):
        assert (cluster.home / "secrets" / file).stat().st_mode & 0o777 == 0o400
    assert (cluster.own / "backup-key.old").stat().st_mode & 0o777 == 0o600
    for number, name in saved.items():
        done = cluster.backup("restore", name)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert (cluster.homes / "file").read_text() == str(number)

    (cluster.home / "secrets" / "backup.old").unlink()
    done = cluster.backup("restore", saved[0])
    assert done.returncode == 1
    assert "its key was lost" in done.stderr
