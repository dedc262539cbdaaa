"""A cluster that is stopped, or that stops itself, and is started again with all its data."""

import time

import yaml

from deploy.engines import NAME, docker
from deploy.playbooks import changes
from deploy.rehearsal import ADDRESSES, Rehearsal


def _running(name: str) -> bool:
    state = docker("inspect", "--format", "{{.State.Running}}", f"{NAME}-{name}")
    return state.strip() == "true"


def _wait_until_off(timeout_s: float) -> list[str]:
    """Wait until all hosts are off; return their names in that order."""
    order: list[str] = []
    end = time.monotonic() + timeout_s
    while len(order) < len(ADDRESSES):
        assert time.monotonic() < end, f"only {order} are off after {timeout_s} s"
        order += [name for name in ADDRESSES if name not in order and not _running(name)]
        time.sleep(0.5)
    return order


def _start(cluster: Rehearsal) -> None:
    """Start the hosts, as AWS does, and wait with start.yml."""
    for name in ADDRESSES:
        docker("start", f"{NAME}-{name}")
        cluster.on(name, "systemctl", "stop", "fruits-idle-stop.timer", check=False)
    cluster.playbook("start")
    assert cluster.workers() == len(ADDRESSES) - 1


def test_a_cluster_that_was_stopped_and_started_is_as_before(whole: Rehearsal) -> None:
    whole.as_scientist("sh", "-c", "echo mine >mine.ipynb")

    whole.playbook("stop")
    order = _wait_until_off(10)
    _start(whole)

    assert order[-1] == "master" or set(order) == set(ADDRESSES)
    assert whole.as_scientist("cat", "mine.ipynb") == "mine\n"
    assert set(changes(whole.playbook("deploy")).values()) == {0}


def test_stop_asks_before_it_interrupts_what_runs(whole: Rehearsal) -> None:
    program = (
        "from fruits.session import start_session; start_session(); import time; time.sleep(90)"
    )
    whole.on("master", "systemd-run", "docker", "compose", "--project-directory",
             "/opt/fruits/compose", "exec", "-T", "jupyterhub", "as-user", "scientist",
             "python", "-c", program)  # fmt: skip
    end = time.monotonic() + 60
    while not whole.master_state("activeapps"):
        assert time.monotonic() < end
        time.sleep(1)

    output = whole.playbook("stop", check=False)

    assert "nothing was stopped" in output
    assert "Spark application" in output
    assert all(map(_running, ADDRESSES))


def test_a_cluster_that_nobody_uses_stops_itself_workers_first(whole: Rehearsal) -> None:
    settings = whole.site / "ansible" / "cluster.yml"
    before = settings.read_text()
    try:
        settings.write_text(yaml.safe_dump({**yaml.safe_load(before), "idle_stop_minutes": 1}))
        whole.playbook("deploy")
        order = _wait_until_off(420)
    finally:
        settings.write_text(before)
    assert order[-1] == "master"
    _start(whole)
    whole.playbook("deploy")  # it no longer stops itself
    for name in ADDRESSES:
        enabled = whole.on(name, "systemctl", "is-enabled", "fruits-idle-stop.timer", check=False)
        assert enabled.strip() == "disabled"
