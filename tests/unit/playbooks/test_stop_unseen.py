"""stop.yml asks if the master does not respond: nobody can tell what is running there."""

from pathlib import Path

from deploy.playbooks import run_playbook
from plays import local_site
from ports import free_ports


def test_a_master_that_does_not_respond_may_be_at_work(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    environ = local_site(
        tmp_path, {}, ansible_connection="ssh", ansible_host="127.0.0.1", ansible_port=port
    )
    done = run_playbook(tmp_path, "stop", "-i", "hosts.yml", environ=environ)
    said = " ".join(done.stdout.split())
    refused = "nothing was stopped: it would interrupt what could not be seen, because one does not"
    assert refused in said
    assert "pass -e assume_yes=true" in said
    assert done.returncode
    assert "PLAY [Stop the hosts" not in said

    options = ("-i", "hosts.yml", "-e", "assume_yes=true")
    said = run_playbook(tmp_path, "stop", *options, environ=environ).stdout
    assert "PLAY [Stop the hosts" in said
    assert "TASK [power_off : Power the host off" in said  # of a cluster outside AWS: also the next
