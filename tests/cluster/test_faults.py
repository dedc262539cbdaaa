"""Failures in the middle of a run, and recovery from them."""

import csv
import io
import subprocess
from collections.abc import Iterator

import pytest
from gate import LET_THROUGH, Gate

from cluster.local import NETWORK, Cluster, address, master_state, wait_until, workers_alive

FEW, COPIES = 84, 3
PHOTOS = FEW * COPIES
USER_PHOTOS = "s3://fruits/many"
FEW_PHOTOS = f"{USER_PHOTOS}/copy_00"  # for runs that are not interrupted


@pytest.fixture(scope="module")
def many(cluster: Cluster) -> None:
    """Several copies of the samples in the bucket, more than a closed gate lets through."""
    assert PHOTOS > 2 * LET_THROUGH
    user = cluster.user
    copies = " ".join(f"copy_{i:02d}" for i in range(COPIES))
    cluster.run("as-user", user, "sh", "-c", f"mkdir ~/many && cd ~/many && for c in {copies}; "
                "do cp -r /opt/fruits/photos $c; done")  # fmt: skip
    cluster.run("as-user", user, "fruits", "upload", f"/home/{user}/many", USER_PHOTOS)
    cluster.run("as-user", user, "rm", "-r", f"/home/{user}/many")


@pytest.fixture
def gate(cluster: Cluster, many: None) -> Iterator[Gate]:
    """A gate that stops a run in the middle of its photos."""
    with Gate("fruits/spark-worker:test", NETWORK, "object-store", USER_PHOTOS) as gate:
        yield gate


def _in_the_middle(cluster: Cluster, gate: Gate, results: str) -> "subprocess.Popen[str]":
    """Start a run that has read some photos and waits for the others."""
    command = ("fruits", "run", USER_PHOTOS, f"s3://fruits/{results}")
    run = cluster.start(cluster.user, "env", *gate.environ, *command)
    gate.wait_until_held()
    return run


def _finished(run: "subprocess.Popen[str]") -> str:
    output, _ = run.communicate(timeout=300)
    assert run.returncode == 0, output
    return output


def _each_photo_once(cluster: Cluster, results: str, photos: int = PHOTOS) -> bool:
    rows = csv.reader(io.StringIO(cluster.read(f"{results}/results.csv").decode("utf-8")))
    paths = [row[0] for row in rows][1:]
    return len(paths) == len(set(paths)) == photos


@pytest.mark.smoke
def test_a_worker_killed_in_the_middle(cluster: Cluster, gate: Gate) -> None:
    run = _in_the_middle(cluster, gate, "killed-worker")
    busy = {w["host"] for w in master_state(cluster)["workers"] if w["coresused"]}
    at_work = [w for w in cluster.containers("spark-worker") if address(w) in busy]
    at_work[0].kill()
    gate.open()
    _finished(run)
    assert _each_photo_once(cluster, "killed-worker")
    cluster.make("local-up")
    wait_until(lambda: workers_alive(cluster) == 2, 90, "two workers")


def test_the_master_restarted(cluster: Cluster, many: None) -> None:
    cluster.make("local-run")
    before = cluster.read("samples/results/results.csv")
    cluster.one("spark-master").restart()
    wait_until(lambda: workers_alive(cluster) == 2, 120, "the workers are back by themselves")
    assert cluster.read("samples/results/results.csv") == before
    _finished(cluster.start(cluster.user, "fruits", "run", FEW_PHOTOS, "s3://fruits/after"))
    assert _each_photo_once(cluster, "after", FEW)


def test_the_object_store_restarted_in_the_middle(cluster: Cluster, gate: Gate) -> None:
    results = "s3://fruits/restarted-store"
    _finished(cluster.start(cluster.user, "fruits", "run", FEW_PHOTOS, results))
    former = cluster.read("restarted-store/results.csv")
    run = _in_the_middle(cluster, gate, "restarted-store")
    cluster.one("object-store").restart()
    gate.open()
    output, _ = run.communicate(timeout=300)
    if run.returncode:  # a clear error, the old results are kept, and the next run succeeds
        assert run.returncode == 2, output
        assert "fruits: " in output
        assert cluster.read("restarted-store/results.csv") == former
        _finished(cluster.start(cluster.user, "fruits", "run", USER_PHOTOS, results))
    assert _each_photo_once(cluster, "restarted-store")


def test_two_users_at_once(cluster: Cluster, many: None) -> None:
    cluster.add_user("grace")
    runs = {
        results: cluster.start(user, "fruits", "run", FEW_PHOTOS, f"s3://fruits/{results}")
        for results, user in (("of-one", cluster.user), ("of-another", "grace"))
    }
    wait_until(lambda: _sessions_at_work(cluster) == 2, 240, "both have cores side by side")
    for results, run in runs.items():
        _finished(run)
        assert _each_photo_once(cluster, results, FEW)


def _sessions_at_work(cluster: Cluster) -> int:
    """Number of sessions that the master has assigned cores to."""
    return sum(app["cores"] > 0 for app in master_state(cluster).get("activeapps", []))


def test_down_and_up_again(cluster: Cluster) -> None:
    cluster.make("local-run")
    before, password = cluster.read("samples/results/results.csv"), cluster.password
    cluster.run("as-user", cluster.user, "sh", "-c", "echo mine > ~/kept.txt")
    cluster.make("local-down")
    assert not cluster.containers()
    cluster.make("local-up")
    assert cluster.password == password
    assert cluster.user in cluster.run("hub-user", "list").split()
    assert cluster.run("as-user", cluster.user, "cat", f"/home/{cluster.user}/kept.txt") == "mine\n"
    assert cluster.read("samples/results/results.csv") == before


def test_secrets_that_were_lost_are_made_anew_for_what_is_kept(cluster: Cluster) -> None:
    cluster.make("local-run")
    before, former = cluster.read("samples/results/results.csv"), cluster.password
    cluster.make("local-down")
    for secret in cluster.secrets.iterdir():
        secret.unlink()
    cluster.make("local-up")
    assert cluster.password != former
    assert cluster.read("samples/results/results.csv") == before
    assert "Uploaded 0 photos" in cluster.make("local-run").stdout
