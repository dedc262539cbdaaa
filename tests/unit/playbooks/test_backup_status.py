"""status.yml tells how old the last backup is, and fails when it is too old."""

import datetime
import os
import re
from pathlib import Path
from typing import Any

from plays import play

_LIST = """#!/bin/sh
cd "${0%/*}" && cat list && cat list.error >&2 && [ ! -s list.error ]
"""


def _key(now: datetime.datetime, hours: float) -> str:
    time = now - datetime.timedelta(hours=hours)
    return f"backups/lab/{time:%Y-%m-%dT%H%M%SZ}.tar.gz.gpg"


def _host(
    folder: Path,
    name: str,
    *hours: float,
    deployed: float = 500,
    record: bool = True,
    planted: float | None = None,
    error: str = "",
) -> dict[str, Any]:
    """A master with backups of these ages, deployed so many hours ago, and an object like one."""
    now = datetime.datetime.now(datetime.UTC)
    home = folder / name
    (home / "compose").mkdir(parents=True)
    (home / "secrets").mkdir()
    (home / "secrets" / "backup").touch()
    then = now.timestamp() - deployed * 3600
    os.utime(home / "secrets" / "backup", (then, then))
    ages = sorted(hours, reverse=True)
    keys = [_key(now, age) for age in [*ages, *([] if planted is None else [planted])]]
    (home / "list").write_text("".join(f"{key}\n" for key in keys))
    (home / "list.error").write_text(error)
    (home / "backup").write_text(_LIST)
    (home / "backup").chmod(0o755)
    if record:
        (home / "backed-up").write_text(f"{_key(now, ages[-1])}\n" if ages else "")
    return {"home": str(home)}


def test_the_age_of_the_last_backup_is_told(tmp_path: Path) -> None:
    hosts: dict[str, dict[str, Any]] = {
        "fresh": _host(tmp_path, "fresh", 300, 47.5),
        "old": _host(tmp_path, "old", 300, 75.2),
        "planted": _host(tmp_path, "planted", 300, 75.2, planted=1),
        "never": _host(tmp_path, "never", deployed=49, record=False),
        "young": _host(tmp_path, "young", deployed=47, record=False),
        "refused": _host(tmp_path, "refused", 1, deployed=1, record=False),
        "closed": _host(tmp_path, "closed", error="bucket-object: AccessDenied"),
        "empty": {"home": str(tmp_path / "empty")},
    }
    tasks = {"name": "status", "tasks_from": "backup"}
    show = "{{ status_problems | default([]) }} {{ status_backup | default('') }}"
    show += " {{ status_backup_hours | default('') }}"
    done = play(
        tmp_path,
        hosts,
        {"ansible.builtin.include_role": tasks},
        {"ansible.builtin.debug": {"msg": show}},
        environ={"TZ": "Asia/Tokyo"},
        backup_max_age_hours=48,
    )
    assert done.returncode == 0, done.stdout
    said = dict(re.findall(r'ok: \[(\w+)\] => \{\n +"msg": "(.*)"\n', done.stdout))
    assert said["fresh"].endswith("tar.gz.gpg 47.0")
    assert said["fresh"].startswith("[] ")
    assert "old: the last backup is 75 hours old" in said["old"]
    assert "planted: the last backup is 75 hours old" in said["planted"]
    assert "no backup since the deployment 49 hours ago" in said["never"]
    assert said["young"].startswith("[] ")
    assert "run `ansible-playbook ansible/restore.yml`" in said["refused"]
    assert "can not be listed: bucket-object: AccessDenied" in said["closed"]
    assert said["empty"].startswith("[] ")  # nothing is deployed yet
