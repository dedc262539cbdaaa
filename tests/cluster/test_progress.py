"""Progress on the cluster: workers tell the driver, and notebooks show bars and no noise."""

import json
import re
from typing import Any

from cluster.local import Cluster

_COUNTS = """
import threading, time
from fruits.progress import Count
from fruits.results.tables import on_workers
from fruits.session import start_session
from fruits.session.counting import counting
def work(_):
    add = counter.of_this_task()
    add(1, 1)
    time.sleep(20)
spark, count, start = start_session(), Count(), time.monotonic()
with counting(spark.sparkContext, count, 2, "photos") as counter:
    job = threading.Thread(target=on_workers, args=(spark, work, [0, 1]))
    job.start()
    while count.part.read()[0] < 2 and job.is_alive():
        time.sleep(0.1)
    print("while tasks run" if job.is_alive() else "only when they ended")
    job.join()
print("in the end", count.part.read()[0])
"""


def test_tasks_on_workers_are_counted_while_they_run(cluster: Cluster) -> None:
    output = cluster.run("as-user", cluster.user, "python", "-c", _COUNTS)
    assert "while tasks run" in output
    assert "in the end 2" in output


_CELLS = [
    "from fruits import load_settings, run, start_session",
    "spark = start_session(s3=True)",
    "made = run(spark, 's3://fruits/samples/photos', RESULTS, load_settings())",
]


def test_a_notebook_shows_a_bar_per_step_and_nothing_of_spark(cluster: Cluster) -> None:
    results = f"s3://fruits/users/{cluster.user}/progress"
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "id": str(i), "metadata": {}, "outputs": [], "execution_count": None}
        | {"source": cell.replace("RESULTS", repr(results))}
        for i, cell in enumerate(_CELLS)
    ]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    cluster.make("local-run")  # uploads the photos
    write = f"cat > progress.ipynb <<'END'\n{json.dumps(notebook)}\nEND\n"
    execute = "jupyter nbconvert --to notebook --execute --stdout progress.ipynb 2>/dev/null"
    output = cluster.run("as-user", cluster.user, "sh", "-c", write + execute)
    outputs: list[dict[str, Any]] = [
        each
        for cell in json.loads(output)["cells"]
        for each in cell["outputs"]
        if "waiting for a free core" not in str(each)  # the machine is slow
    ]
    assert {each["output_type"] for each in outputs} == {"display_data"}, outputs
    shown = ["".join(each["data"]["text/plain"]) for each in outputs]
    assert [line.split()[1] for line in shown if line.startswith("✓ ")][:4] == [
        *("list", "model", "compare", "featurize")
    ]
    assert all(line.startswith("✓ ") for line in shown)
    assert re.search(r"featurize .*(\d+)/\1 photos", "\n".join(shown))
