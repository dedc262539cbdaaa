"""Metrics of Spark in Prometheus's text format, on the pages that are published anyway."""

import re
import urllib.request

import pytest

from cluster.local import Cluster

_WORKERS = """
import urllib.request
url = "http://127.0.0.1:8081/metrics/prometheus/"
print(urllib.request.urlopen(url, timeout=20).read().decode())
"""


def _samples(text: str) -> dict[str, float]:
    """Values by name; every line must be a sample as Prometheus reads it."""
    lines = [re.fullmatch(r'(\w+)\{(?:\w+="[^"]*",?)*\} (\S+)', line) for line in text.splitlines()]
    assert all(lines), text
    return {line[1]: float(line[2]) for line in lines if line}


@pytest.mark.smoke
def test_master_and_workers_have_metrics(cluster: Cluster) -> None:
    url = f"http://127.0.0.1:{cluster.environ['MASTER_PORT']}/metrics"
    with urllib.request.urlopen(f"{url}/master/prometheus/") as page:
        assert page.headers["Content-Type"].startswith("text/plain")
        assert _samples(page.read().decode())["metrics_master_aliveWorkers_Value"] == 2
    with urllib.request.urlopen(f"{url}/applications/prometheus/") as page:
        _samples(page.read().decode())
    for worker in cluster.containers("spark-worker"):
        out = worker.exec_run(["python3", "-c", _WORKERS]).output.decode()
        assert "metrics_worker_coresUsed_Value" in _samples(out.strip())
