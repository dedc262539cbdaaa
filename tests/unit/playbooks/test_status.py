"""What status.yml tells of hosts; scripts stand in for their commands."""

import datetime
import os
import re
from pathlib import Path

from places import ROOT
from plays import play

_DF = """Use% Mounted on
  {root}% /
  12% /boot/efi
  {root}% /var/lib/docker/overlay2/1a2b/merged
  {data}% /srv/data
"""
_LAYERS = """2026-11-26T10:00:00Z COPY src src
{day}T03:04:05Z RUN /bin/sh -c apt-get update && apt-get install -y tini
"""
_COMMANDS = {
    "nproc": "echo 4",
    "df": 'cat "$FOLDER/$HOST/df"',
    "docker": 'case "$*" in *history*) cat "$FOLDER/$HOST/layers" ;; *) echo "x: Up" ;; esac',
}


def _host(folder: Path, name: str, root: int, data: int, days: int, run: str) -> dict[str, object]:
    day = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days)
    home = folder / name
    (home / "compose").mkdir(parents=True)
    (home / "version").write_text("1.2-abc")
    (home / "df").write_text(_DF.format(root=root, data=data))
    (home / "layers").write_text(_LAYERS.format(day=day))
    (home / "run").write_text(f"#!/bin/sh\nprintf '%s\\n' {run} s3://b/photos s3://b/results\n")
    (home / "run").chmod(0o755)
    return {
        # What this machine connects to may be no address, but the ID of an instance.
        "public_ip_address": "203.0.113.7",
        "home": str(home),
        "hub_user": "ada",
        "host_images": ["spark-master", "jupyterhub"],
        "images": "built_here",
    }


def _status(tmp_path: Path, *hosts: dict[str, object]) -> str:
    (tmp_path / "bin").mkdir()
    for name, text in _COMMANDS.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    problems = (
        "{{ groups.all | map('extract', hostvars) | map(attribute='status_problems', default=[]) }}"
    )
    done = play(
        tmp_path,
        {Path(str(host["home"])).name: host for host in hosts},
        {"ansible.builtin.include_role": {"name": "status"}},
        *(
            {"ansible.builtin.debug": {"msg": text}, "run_once": True}
            for text in ("{{ lookup('template', template).splitlines() }}", problems)
        ),
        environ={"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "FOLDER": str(tmp_path)},
        template=str(ROOT / "ansible" / "templates" / "status"),
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_disks_old_packages_and_a_run_in_progress_are_told(tmp_path: Path) -> None:
    output = _status(
        tmp_path,
        _host(tmp_path, "full", root=40, data=86, days=31, run="running"),
        _host(tmp_path, "well", root=84, data=3, days=30, run="told"),
    )
    assert re.search(r"full .* 86% .*\n.*\n.*31 days old: run `make images FRESH=1`", output), (
        output
    )
    assert re.search(r"well +203\.0\.113\.7 +84% +[0-9.]+ of 4 +\d+ of \d+ MB", output)
    assert output.count("Debian's packages of") == 2
    assert output.count("FRESH") == 1
    assert "in progress: s3://b/photos to s3://b/results" in output
    assert output.count("the disk at") == 1
    assert "full: the disk at /srv/data is 86% full" in output
