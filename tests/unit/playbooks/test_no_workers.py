"""AWS may reclaim all workers: what concerns only the master works without them."""

from pathlib import Path

import pytest
from deploy.playbooks import run_playbook
from places import ROOT
from plays import local_site, play


def test_a_tunnel_leads_to_the_master_alone(tmp_path: Path) -> None:
    environ = local_site(tmp_path, {})
    done = run_playbook(tmp_path, "tunnel", "-i", "hosts.yml", environ=environ)
    assert done.returncode == 0, done.stdout
    assert "Host one master" in (tmp_path / "ansible" / "secrets" / "ssh_config").read_text()


@pytest.mark.parametrize("name", ["deploy", "run"])
def test_what_needs_workers_says_so(tmp_path: Path, name: str) -> None:
    environ = local_site(tmp_path, {})
    done = run_playbook(tmp_path, name, "-i", "hosts.yml", environ=environ)
    said = " ".join(done.stdout.split())
    assert "needs exactly one master and at least one worker: run `ansible-playbook" in said


def test_the_status_is_shown(tmp_path: Path) -> None:
    environ = local_site(tmp_path, {})
    done = run_playbook(tmp_path, "status", "-i", "hosts.yml", environ=environ)
    assert "0 of 0 registered" in done.stdout


def test_variables_are_defined_without_workers(tmp_path: Path) -> None:
    """Those that roles compute from all hosts; here the group does not even exist."""
    files = ["roles/running_work/vars", "roles/cluster/vars", "roles/idle_stop/defaults"]
    load = [{"ansible.builtin.include_vars": str(ROOT / "ansible" / f / "main.yml")} for f in files]
    names = "running_work_restarts|list, cluster_all_cores|int, idle_stop_arguments|trim"
    done = play(
        tmp_path,
        {"one": {}},
        *load,
        {"ansible.builtin.debug": {"msg": f"{{{{ [{names}] }}}}"}},
        cluster_name="lab",
        idle_stop_minutes=5,
    )
    assert done.returncode == 0, done.stdout
    assert "master lab 5" in done.stdout
