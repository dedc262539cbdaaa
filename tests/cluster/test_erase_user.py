"""A user of the Hub who is erased: nothing of them is left but a number."""

import pytest

from cluster.local import Cluster, wait_until
from cluster.logins import Browser

NAME = "grace"
SESSION = "from fruits.session import start_session; start_session().range(3).count()"


@pytest.mark.smoke
def test_a_user_who_was_erased_has_left_nothing(cluster: Cluster) -> None:
    password = cluster.add_user(NAME)
    number = cluster.run("id", "-u", NAME).strip()
    cluster.run("as-user", NAME, "sh", "-c", "mkdir -p work/a && echo x >work/a/b && chmod 0 work")
    cluster.run("as-user", NAME, "sh", "-c", "echo mine >/tmp/of-grace && chmod 600 /tmp/of-grace")
    for body in (b"one", b"two"):  # two versions
        cluster.s3.put_object(Bucket="fruits", Key=f"users/{NAME}/results/results.csv", Body=body)
    cluster.s3.put_object(Bucket="fruits", Key=f"users/{NAME}-2/kept", Body=b"")
    cluster.run("as-user", NAME, "python", "-c", SESSION)
    browser = Browser(cluster)
    assert browser.log_in(NAME, password).status == 200
    browser.open(f"/hub/spawn/{NAME}")
    running = f"ls -ln /proc | awk '$3 == {number}'"
    wait_until(lambda: cluster.run("sh", "-c", running) != "", 60, "a server runs")
    assert NAME in _everything(cluster, number)

    cluster.run("hub-user", "erase", NAME)

    assert not cluster.run("sh", "-c", running)
    left = _everything(cluster, number)
    assert NAME not in left.replace(f"users/{NAME}-2/kept", "")
    assert f"users/{NAME}-2/kept" in left
    assert NAME not in cluster.run("hub-user", "list")
    assert "does not exist" in cluster.run("hub-user", "erase", NAME, check=False)
    cluster.add_user(NAME)  # somebody else of that name
    assert cluster.run("id", "-u", NAME).strip() != number
    cluster.run("hub-user", "erase", NAME)


def _everything(cluster: Cluster, number: str) -> str:
    """Where the name or files of the user occur: accounts, database, history, bucket, files."""
    database = "import sqlite3; d = sqlite3.connect('/srv/jupyterhub/state/jupyterhub.sqlite'); "
    database += "print(*d.iterdump())"
    objects = cluster.s3.list_object_versions(Bucket="fruits", Prefix="users/")
    events = ("setpriv", "--reuid=fruits", "--regid=spark-events", "--clear-groups")
    return " ".join(
        [
            cluster.run("cat", "/srv/jupyterhub/users/etc/passwd"),
            cluster.run("python", "-c", database),
            cluster.run("ls", "/home", "/tmp"),  # noqa: S108 - in the container
            cluster.run(*events, "find", "/var/log/spark-events", "-user", number, "-printf", NAME),
            *(item["Key"] for item in objects.get("Versions", [])),
            *(item["Key"] for item in objects.get("DeleteMarkers", [])),
        ]
    )
