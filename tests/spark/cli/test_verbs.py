"""The `fruits` command and spark-submit, each with its own Spark."""

import json
import os
import subprocess
import sys
from pathlib import Path

from command import fruits
from photos import save


def test_run_prints_a_summary_and_the_paths_and_leaves_no_temporary_files(tmp_path: Path) -> None:
    temporary, scratch = tmp_path / "temporary", tmp_path / "scratch"
    temporary.mkdir()
    scratch.mkdir()
    for i, colour in enumerate(("red", "green", "blue", "white")):
        save(tmp_path / "photos" / "Kind", f"{i}.png", colour)
    (tmp_path / "photos" / "bad.jpg").touch()
    (tmp_path / "fruits.toml").write_text("components = 2\n")
    done = fruits(
        *("run", str(tmp_path / "photos"), f"{tmp_path}/results/"),
        *("--config", str(tmp_path / "fruits.toml"), "--master", "local[1]"),
        TMPDIR=str(temporary),
        SPARK_LOCAL_DIRS=str(scratch),
    )
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.strip()}
    assert [rows[name][0] for name in ("photos", "features", "rejects", "labels")] == list("5411")
    assert rows["components"][0] == "2"
    assert rows["featurize"][1] == "s"
    assert rows["CSV"] == [f"{tmp_path}/results/results.csv"]
    assert rows["Report"] == [f"{tmp_path}/results/report.html"]
    assert json.loads((tmp_path / "results" / "manifest.json").read_text())["counts"]["listed"] == 5
    assert not [*temporary.iterdir(), *scratch.iterdir()]


def test_spark_submit_sets_master_and_memory(tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text(
        "from fruits.session import start_session\n"
        "spark = start_session()\n"
        "print('master', spark.sparkContext.master, spark.conf.get('spark.driver.memory'))\n"
    )
    submit = Path(sys.executable).with_name("spark-submit")
    done = subprocess.run(
        [submit, "--master", "local[1]", "--driver-memory", "700m", script],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYSPARK_PYTHON": sys.executable},
        timeout=240,
    )
    assert "master local[1] 700m" in done.stdout, done.stderr
