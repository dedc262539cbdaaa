"""For how long the cluster keeps what names people."""

from cluster.local import Cluster, answer, wait_until

SESSION = "from fruits.session import start_session; start_session().range(3).count()"
AS_HISTORY = ("setpriv", "--reuid=fruits", "--regid=spark-events", "--clear-groups")


def _logs(cluster: Cluster) -> list[str]:
    """The event logs of finished sessions, oldest first."""
    find = ("find", "/var/log/spark-events", "-type", "f", "-not", "-name", "*.inprogress")
    lines = cluster.run(*AS_HISTORY, *find, "-printf", "%T@ %p\n").splitlines()
    return [line.split()[1] for line in sorted(lines)]


def _shown(cluster: Cluster) -> set[str]:
    try:
        return {app["id"] for app in answer(cluster, "HISTORY_PORT", "/api/v1/applications")}
    except OSError:
        return set()


def test_history_is_deleted_after_thirty_days(cluster: Cluster) -> None:
    for _ in range(2):
        cluster.run("as-user", cluster.user, "python", "-c", SESSION)
    *_, old, new = _logs(cluster)
    ids = [path.rpartition("/")[2].partition(".")[0] for path in (old, new)]
    cluster.run("as-user", cluster.user, "touch", "--date", "31 days ago", old)
    cluster.one("history").restart(timeout=20)

    wait_until(lambda: old not in _logs(cluster), 120, "the old session's log is deleted")

    wait_until(lambda: ids[1] in _shown(cluster), 60, "the history shows the new session")
    assert new in _logs(cluster)
    assert ids[0] not in _shown(cluster)
