"""The cluster as a user starts it: its output, its results and its users' files."""

import csv
import io
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from places import SAMPLES

from cluster.local import Cluster, answer


def _rows(data: str) -> dict[str, list[str]]:
    rows = list(csv.reader(io.StringIO(data)))
    return {row[0]: row[1:] for row in rows}


def test_up_says_where_everything_is_and_keeps_the_password_to_its_owner(cluster: Cluster) -> None:
    output = cluster.make("local-up").stdout  # already up: nothing is recreated
    for name in ("HUB_PORT", "MASTER_PORT", "HISTORY_PORT", "S3_PORT"):
        assert f"http://127.0.0.1:{cluster.environ[name]}" in output
    assert f"user {cluster.user}, password in {cluster.secrets}/hub-password" in output
    assert cluster.password not in output
    assert stat.S_IMODE((cluster.secrets / "hub-password").stat().st_mode) == 0o600
    assert len(cluster.containers("spark-worker")) == 2
    assert all(
        container.attrs["State"]["Health"]["Status"] == "healthy"
        for container in cluster.containers()
    )


def test_run_leaves_in_the_bucket_what_one_process_makes(cluster: Cluster, tmp_path: Path) -> None:
    """Same rows, values within 1e-4; `reduce` has a convention for the signs of components."""
    output = cluster.make("local-run").stdout
    assert "s3://fruits/samples/results/results.csv" in output
    assert f"{cluster.hub}/services/recognise/" in output
    manifest = json.loads(cluster.read("samples/results/manifest.json"))
    assert manifest["counts"]["listed"] == manifest["counts"]["features"] == 84

    subprocess.run(
        [
            *(Path(sys.executable).with_name("fruits"), "run", SAMPLES, tmp_path),
            *("--weights", manifest["model"]["name"], "--master", "local[2]"),
        ],
        env={k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
        capture_output=True,
        check=True,
    )
    local = _rows((tmp_path / "results.csv").read_text("utf-8"))
    remote = _rows(cluster.read("samples/results/results.csv").decode("utf-8"))
    assert list(remote) == list(local)
    assert remote.pop("path") == local.pop("path")
    assert [row[0] for row in remote.values()] == [row[0] for row in local.values()]
    actual, expected = (
        np.array([row[1:] for row in rows.values()], float) for rows in (remote, local)
    )
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-4)


def test_a_second_run_makes_nothing_anew(cluster: Cluster) -> None:
    cluster.make("local-run")
    before = cluster.read("samples/results/manifest.json")
    output = cluster.make("local-run").stdout
    assert "Uploaded 0 photos" in output
    assert "0 made by this run" in output
    after = cluster.read("samples/results/manifest.json")
    assert json.loads(after)["features"] == json.loads(before)["features"]
    assert json.loads(after)["classifier"] == json.loads(before)["classifier"] is not None


def test_photos_of_a_folder_of_this_machine_go_to_the_bucket(
    cluster: Cluster, tmp_path: Path
) -> None:
    wanted = {}
    for i, photo in enumerate(sorted(SAMPLES.rglob("*.jpg"))[:4]):
        name = f"Élan d'été #1/photo {i} 100%.jpg"
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(photo.read_bytes())
        wanted[name] = "Élan d'été #1"
    assert "Uploaded 4 photos" in cluster.make("local-run", f"PHOTOS={tmp_path}").stdout
    rows = _rows(cluster.read("results/results.csv").decode("utf-8"))
    del rows["path"]
    assert {path: row[0] for path, row in rows.items()} == wanted  # and none of the samples


def test_the_history_server_shows_past_runs(cluster: Cluster) -> None:
    cluster.make("local-run")
    applications = answer(cluster, "HISTORY_PORT", "/api/v1/applications?status=completed")
    assert any(
        attempt["sparkUser"] == cluster.user for app in applications for attempt in app["attempts"]
    )


@pytest.mark.parametrize("name", ["Root", "root", "a b", "x;y", "../up", ""])
def test_a_user_name_that_can_not_be_is_refused(cluster: Cluster, name: str) -> None:
    done = cluster.make("local-user", f"NAME={name}", check=False)
    assert done.returncode
    assert "hub-user:" in done.stderr or "NAME is missing" in done.stderr


def test_users_are_kept_from_each_others_files(cluster: Cluster) -> None:
    for name in ("ada", "bob"):
        cluster.add_user(name)
    cluster.run("as-user", "ada", "sh", "-c", "echo mine > ~/note.txt")
    assert "mine" in cluster.run("as-user", "ada", "cat", "/home/ada/note.txt")
    for command in (
        ["cat", "/home/ada/note.txt"],
        ["ls", "/home/ada"],
        ["ls", "/srv/jupyterhub/state"],
    ):
        assert "Permission denied" in cluster.run("as-user", "bob", *command, check=False)
    sleeper = cluster.start("ada", "sh", "-c", "echo $$; exec sleep 300")
    try:
        assert sleeper.stdout
        stop = f"import os; os.kill({int(sleeper.stdout.readline())}, 9)"
        assert "PermissionError" in cluster.run("as-user", "bob", "python", "-c", stop, check=False)
        assert sleeper.poll() is None
        cluster.run("as-user", "ada", "python", "-c", stop)
        assert sleeper.wait(10) == 137
    finally:
        sleeper.kill()


def test_a_user_who_was_removed_is_out_at_once_and_leaves_no_number_behind(
    cluster: Cluster,
) -> None:
    cluster.add_user("eve")
    number = cluster.run("as-user", "eve", "id", "-u")
    sleeper = cluster.start("eve", "sh", "-c", "echo; exec sleep 300")
    assert sleeper.stdout
    sleeper.stdout.readline()
    cluster.run("hub-user", "remove", "eve")
    assert sleeper.wait(10) == 137
    assert "eve" not in cluster.run("hub-user", "list").split()
    output = cluster.run("as-user", "eve", "start-notebook", "--version", check=False)
    assert "not allowed to log in" in output
    cluster.add_user("mallory")
    assert cluster.run("as-user", "mallory", "id", "-u") != number
    cluster.add_user("eve")  # added again, with her old user ID and files
    assert cluster.run("as-user", "eve", "id", "-u") == number
    assert "eve" in cluster.run("hub-user", "list").split()


def test_spark_computes_with_the_native_blas(cluster: Cluster) -> None:
    program = """
from fruits.session import start_session
from fruits.settings import Settings
jvm = start_session(Settings(master="local[1]")).sparkContext._jvm
for kind in (jvm.dev.ludovic.netlib.blas.NativeBLAS, jvm.dev.ludovic.netlib.lapack.NativeLAPACK):
    print("is", kind.getInstance().toString())
"""
    output = cluster.run("as-user", cluster.user, "python", "-c", program)
    assert "JNIBLAS" in output
    assert "JNILAPACK" in output


def test_a_session_fetches_no_jars(cluster: Cluster) -> None:
    """They are in the image; downloaded ones would be sent to every executor of every session."""
    program = 'from fruits.session.start import _s3a; print(sorted(_s3a("/tmp")))'
    output = cluster.run("as-user", cluster.user, "python", "-c", program)
    assert "spark.hadoop.fs.s3.impl" in output
    assert "spark.jars" not in output


def test_images_are_no_larger_than_promised(cluster: Cluster) -> None:
    for service, most_gb in (("spark-worker", 1.6), ("jupyterhub", 3.2)):
        size_gb = cluster.containers(service)[0].image.attrs["Size"] / 1e9
        print(f"{service}: {size_gb:.2f} GB")
        assert size_gb <= most_gb


def test_versions_and_the_revision_are_in_each_image(cluster: Cluster) -> None:
    for container in cluster.containers():
        labels = container.image.labels
        assert labels["org.opencontainers.image.version"]
        assert re.fullmatch("[0-9a-f]{40}(-dirty)?", labels["org.opencontainers.image.revision"])
