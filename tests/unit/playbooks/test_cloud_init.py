"""deploy.yml waits for cloud-init, which scripts stand in for here, before it uses apt."""

import re
from pathlib import Path

from plays import play

HOSTS = {
    "without": None,
    "ready": '[ "$*" = "status --wait --long" ]',
    "degraded": "echo status: degraded; exit 2",
    "failed": "echo 'detail: no space left on device'; exit 1",
    "slow": "exec sleep 30",
}


def test_a_host_is_used_only_when_cloud_init_has_finished(tmp_path: Path) -> None:
    for name, script in HOSTS.items():
        if script is not None:
            (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / name).chmod(0o755)
    done = play(
        tmp_path,
        {name: {"hardening_cloud_init": str(tmp_path / name)} for name in HOSTS},
        {"ansible.builtin.include_role": {"name": "hardening", "tasks_from": "booted"}},
        hardening_cloud_init_s=1,
    )
    failed = dict(re.findall(r"^(\w+) .*failed=(\d)", done.stdout, re.MULTILINE))
    assert failed == {"without": "0", "ready": "0", "degraded": "0", "failed": "1", "slow": "1"}
    assert re.search(
        r"On failed, cloud-init\s+has failed.*no space\s+left", done.stdout, re.DOTALL
    ), done.stdout
    assert re.search(r"On slow, cloud-init\s+is still at work after 1 s", done.stdout), done.stdout
