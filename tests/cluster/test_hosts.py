"""Requests with a foreign Host header, as a page elsewhere sends them after DNS rebinding."""

import http.client

import pytest

from cluster.local import Cluster, address

PAGES = {
    "MASTER_PORT": (
        "/",
        "/json/",
        "/environment/",
        "/metrics/master/prometheus/",
        "/static/webui.js",
    ),
    "HISTORY_PORT": ("/", "/api/v1/applications", "/static/webui.js"),
}
FOREIGN = [
    "attacker.example",
    "attacker.example:{port}",
    "127.0.0.1.attacker.example:{port}",
    "localhost.attacker.example",
    "10.11.12.13",
    "0.0.0.0:{port}",
    "attacker.example@127.0.0.1",
]


def _ask(port: str, host: str, path: str, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=30)
    connection.request("GET", path, headers={"Host": host, **headers})
    answer = connection.getresponse()
    return answer.status, answer.read().decode("utf-8", "replace")


@pytest.mark.smoke
@pytest.mark.parametrize("page", PAGES)
def test_pages_of_spark_answer_only_to_names_of_their_host(cluster: Cluster, page: str) -> None:
    port = cluster.environ[page]
    for path in PAGES[page]:
        for host in FOREIGN:
            status, text = _ask(port, host.format(port=port), path)
            assert status in (400, 403), (host, path)
            assert "spark-worker" not in text
        forwarded = {"X-Forwarded-Host": "localhost", "Forwarded": "host=localhost"}
        assert _ask(port, "attacker.example", path, **forwarded)[0] == 403
        for host in ("127.0.0.1", f"localhost:{port}", "LOCALHOST:1", "[::1]:8080", "spark-master"):
            assert _ask(port, host, path)[0] == 200, (host, path)


def test_spark_master_answers_to_its_own_address(cluster: Cluster) -> None:
    ip = address(cluster.one("spark-master"))
    assert _ask(cluster.environ["MASTER_PORT"], f"{ip}:8080", "/json/")[0] == 200


# Prints the status of a page for a foreign and for a right Host header.
_STATUS = """
import http.client, sys
for host in ("attacker.example", "localhost"):
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=20)
    connection.request("GET", sys.argv[2], headers={"Host": host})
    print(connection.getresponse().status)
"""


def test_so_do_the_pages_of_workers(cluster: Cluster) -> None:
    for worker in cluster.containers("spark-worker"):
        for path in ("/json/", "/metrics/prometheus/"):
            out = worker.exec_run(["python3", "-c", _STATUS, "8081", path]).output.decode()
            assert out.split() == ["403", "200"], (path, out)


_WITH_PAGE = f"""
import sys
from urllib.parse import urlsplit
from fruits.session import start_session
url = start_session().sparkContext.uiWebUrl
sys.argv = ["", str(urlsplit(url).port), "/jobs/"]
{_STATUS}
"""


def test_so_do_the_pages_of_sessions_that_users_enable(cluster: Cluster) -> None:
    run = cluster.start(
        cluster.user,
        *("env", "PYSPARK_SUBMIT_ARGS=--conf spark.ui.enabled=true pyspark-shell"),
        *("python", "-c", _WITH_PAGE),
    )
    out, _ = run.communicate(timeout=150)
    assert out.split()[-2:] == ["403", "200"], out


def test_the_hub_shows_a_foreign_name_no_more_than_its_login(cluster: Cluster) -> None:
    """Reverse proxies may give it other names; cookies belong to the name in the browser."""
    for path, statuses in (
        ("/hub/home", {302}),  # to the login
        ("/services/recognise/", {302}),
        ("/services/recognise/predict/samples", {403, 405}),
        (f"/user/{cluster.user}/api/contents", {302, 403, 404}),
        ("/hub/api/users", {403}),
    ):
        assert _ask(cluster.environ["HUB_PORT"], "attacker.example", path)[0] in statuses, path


def test_s3_answers_nobody_without_a_signature(cluster: Cluster) -> None:
    for path in ("/", "/fruits", "/fruits/?list-type=2"):
        for host in ("attacker.example", "127.0.0.1"):
            status, text = _ask(cluster.environ["S3_PORT"], host, path)
            assert status == 403, text
