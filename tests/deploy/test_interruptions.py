"""Runs, and what may interrupt them: the operator, dockerd, a deploy, the end of a Spot host."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gate import Gate

from deploy.bucket import MANY, results_csv, rows
from deploy.playbooks import changes, operators_environ
from deploy.rehearsal import BUCKET, Rehearsal

RESULTS = f"s3://{BUCKET}/interrupted"
PLACES = ("-e", f"photos={MANY}", "-e", f"results={RESULTS}")
NOTICE = json.dumps({"action": "terminate", "time": "2026-11-27T08:22:00Z"})


def test_a_run_ends_well_whatever_happens_meanwhile(
    whole: Rehearsal, gate: Gate, many: int
) -> None:
    with whole.detour(gate):
        begun = _start(whole, "run", *PLACES)
        gate.wait_until_held()
        begun.send_signal(signal.SIGINT)
        begun.wait(30)
        for name in ("master", "worker-1"):
            whole.on(name, "systemctl", "restart", "docker")

        changed = ("-e", "driver_memory_mb=1025")
        asked = whole.playbook("deploy", *changed, check=False)
        assert "Cancelled, nothing was changed: this deploy would interrupt" in asked
        assert f"a run of the pipeline: {MANY} to {RESULTS}" in asked
        assert "another run is in progress" in whole.playbook("run", check=False)

        whole.write("worker-2", "/root/notice.json", NOTICE)
        whole.wait_for_workers(1, 60)  # the master assigns no more work to the other one
        waiting = _start(whole, "run", *PLACES)
        assert waiting.stdout
        shown = next((line for line in waiting.stdout if "A run is in progress" in line), None)
        gate.open()
        output, _ = waiting.communicate(timeout=600)
    assert waiting.returncode == 0, output
    assert shown
    assert f"{RESULTS}/results.csv" in output
    assert len(rows(results_csv(whole, "interrupted"))) - 1 == many

    _wait(lambda: "exited" in _state_of_worker(whole))
    whole.on("worker-2", "rm", "/root/notice.json")


def _state_of_worker(whole: Rehearsal) -> str:
    return whole.on("worker-2", "docker", "ps", "--all", "--format", "{{.State}}").strip()


def test_a_deploy_that_restarts_nothing_does_not_ask(whole: Rehearsal, gate: Gate) -> None:
    run = whole.start_run(MANY, f"s3://{BUCKET}/undisturbed", gate)
    assert set(changes(whole.playbook("deploy")).values()) == {0}
    gate.open()
    output, _ = run.communicate(timeout=300)
    assert run.returncode == 0, output


def test_docker_is_not_updated_at_night(deployed: Rehearsal) -> None:
    """dockerd, which each update restarts, is updated by deploy.yml only."""
    said = deployed.on("master", "unattended-upgrade", "--dry-run", "--debug")
    (line,) = re.findall(r"[Bb]lacklist: (.*)", said)
    for package in ("docker\\.io$", "containerd$", "runc$"):
        assert package in line.replace("\\\\", "\\"), line


def _start(whole: Rehearsal, name: str, *options: str) -> "subprocess.Popen[str]":
    """Start a playbook as on a terminal, where Ctrl-C reaches it."""
    program = Path(sys.executable).with_name("ansible-playbook")
    return subprocess.Popen(
        [program, "-i", "hosts.yml", f"ansible/{name}.yml", *options],
        cwd=whole.site,
        env=operators_environ(),
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def _wait(ready: Callable[[], bool], timeout_s: float = 60) -> None:
    end = time.monotonic() + timeout_s
    while not ready():
        assert time.monotonic() < end, f"not after {timeout_s} s"
        time.sleep(1)
