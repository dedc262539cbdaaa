"""What the Hub's home page says about the cluster."""

import pytest

from cluster.local import Cluster
from cluster.logins import Browser


@pytest.mark.smoke
def test_it_says_when_an_idle_cluster_stops(cluster: Cluster) -> None:
    browser = Browser(cluster)
    assert browser.log_in(cluster.user, cluster.password).status == 200
    assert "stops itself" not in browser.open("/hub/home")

    # As the host does (ansible/roles/idle_stop).
    cluster.run("sh", "-c", "echo 3600 0 >/run/fruits/stops-at")
    try:
        assert "stops itself after 60 minutes" in browser.open("/hub/home")
    finally:
        cluster.run("rm", "/run/fruits/stops-at")
