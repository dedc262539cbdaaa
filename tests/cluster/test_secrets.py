"""Which process can read which secret: each account of each container looks for all of them."""

import re
from typing import Any

import pytest

from cluster.local import Cluster, wait_until

# Prints all that an account can read in files that processes write or that are mounted, and the
# environments of processes. Written for the shell because the object store has no Python.
_ALL = """
find /run /srv /tmp /home /var/lib /var/log /etc -type f -size -1024k -exec cat {} + 2>/dev/null
cat /proc/[0-9]*/environ 2>/dev/null
true
"""
_IN_ENVIRON = r"{}=([0-9a-f]{{32,}})\x00"
NOBODY = "65534:65534"
# In the Hub's container; SPARK is the account of Spark in the other containers.
PROXY, PAGE, SPARK = "10003:10003", "10004:10004", "10001:10001"
USERS = "100"  # the group of the Hub's users

EXPECTED = {
    "spark-master": {SPARK: {"spark"}, NOBODY: set()},
    "spark-worker": {SPARK: {"spark", "s3"}, NOBODY: set()},
    "history": {SPARK: {"spark"}, NOBODY: set()},
    "object-store": {SPARK: {"s3"}, NOBODY: set()},
    "jupyterhub": {
        PROXY: {"proxy token"},
        PAGE: {"s3", "page token"},
        f"29999:{USERS}": {"spark", "s3"},  # a user of the Hub
        SPARK: set(),
        NOBODY: set(),
    },
}


def _readable(container: Any, account: str) -> bytes:
    code, out = container.exec_run(["sh", "-c", _ALL], user=account)
    assert code == 0
    text: bytes = out
    return text


def _secrets(cluster: Cluster) -> dict[str, str]:
    """All secrets by name; those of one process are read as that process may."""
    hub = cluster.one("jupyterhub")

    def own(account: str, variable: str) -> str:
        environs = hub.exec_run(["sh", "-c", "cat /proc/[0-9]*/environ"], user=account).output
        (token,) = set(re.findall(_IN_ENVIRON.format(variable), environs.decode()))
        return str(token)

    state = ["cat", "/srv/jupyterhub/state/cookie_secret"]
    shadow = ["sed", "-n", "s/^scientist:\\([^:]*\\):.*/\\1/p", "/srv/jupyterhub/users/etc/shadow"]
    return {
        "spark": (cluster.secrets / "spark").read_text().strip(),
        "s3": (cluster.secrets / "s3").read_text().split()[-1],
        "proxy token": own(PROXY, "CONFIGPROXY_AUTH_TOKEN"),
        "page token": own(PAGE, "JUPYTERHUB_API_TOKEN"),
        "cookies": cluster.run(*state).strip(),
        "password": cluster.run(*shadow).strip(),
    }


def _check(cluster: Cluster, service: str) -> None:
    secrets = _secrets(cluster)
    assert all(len(secret) >= 32 for secret in secrets.values()), secrets.keys()
    for container in cluster.containers(service):
        for account, expected in EXPECTED[service].items():
            text = _readable(container, account)
            found = {name for name, secret in secrets.items() if secret.encode() in text}
            assert found == expected, (container.name, account)


@pytest.mark.smoke
@pytest.mark.parametrize("service", EXPECTED)
def test_each_process_reads_the_secrets_that_it_needs(cluster: Cluster, service: str) -> None:
    _check(cluster, service)


def test_every_service_and_every_account_is_checked(cluster: Cluster, session: str) -> None:
    """A session runs, so that there are executors and a user's processes."""
    known = {
        (service, account.partition(":")[0])
        for service, accounts in EXPECTED.items()
        for account in accounts
    }
    for container in cluster.containers():
        service = container.labels["com.docker.compose.service"]
        owners = container.exec_run(["sh", "-c", "stat -c %u /proc/[0-9]*"]).output.split()
        for uid in map(int, filter(bytes.isdigit, owners)):
            hub_user_or_root = service == "jupyterhub" and (uid == 0 or uid >= 20000)
            root_of_this_command = uid == 0
            assert hub_user_or_root or root_of_this_command or (service, str(uid)) in known


def test_after_a_restart_it_is_the_same_and_users_and_the_page_read_the_bucket(
    cluster: Cluster,
) -> None:
    hub = cluster.one("jupyterhub")
    hub.restart()
    wait_until(lambda: _healthy(hub), 120, "the Hub is healthy after a restart")
    _check(cluster, "jupyterhub")
    cluster.run("as-user", cluster.user, "bucket-object", "list", "samples/")
    environ = hub.exec_run(["sh", "-c", "cat /proc/[0-9]*/environ"], user=PAGE).output.decode()
    (keys,) = set(re.findall(r"AWS_SHARED_CREDENTIALS_FILE=([^\0]*s3-predictor)", environ))
    listing = ["env", f"AWS_SHARED_CREDENTIALS_FILE={keys}", "bucket-object", "list", "samples/"]
    code, out = hub.exec_run(listing, user=PAGE)
    assert code == 0, out.decode()
    code, _ = hub.exec_run(listing, user=PROXY)
    assert code != 0


def _healthy(container: Any) -> bool:
    container.reload()
    return bool(container.attrs["State"]["Health"]["Status"] == "healthy")
