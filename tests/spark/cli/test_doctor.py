"""`fruits doctor` where Spark can be started."""

import re
from pathlib import Path

from command import fruits
from photos import save


def test_a_healthy_machine_passes(tmp_path: Path) -> None:
    save(tmp_path / "photos" / "Kiwi", "a.png")
    done = fruits(
        *("doctor", f"{tmp_path}/photos", f"{tmp_path}/results", "--master", "local[1]"),
        COLUMNS="200",
    )
    assert re.search(r" ✓  session +local\[1\], one task: Python .*, fruits ", done.stdout)
    assert re.search(r" ✓  Python of workers  Python ", done.stdout)
    assert (" ✗ " in done.stdout) == (done.returncode == 1), done.stdout
    assert done.stderr == ""


def test_why_spark_cant_be_started_is_one_row(tmp_path: Path) -> None:
    (tmp_path / "spark-defaults.conf").write_text("spark.serializer com.example.Nope\n")
    done = fruits("doctor", SPARK_CONF_DIR=str(tmp_path), COLUMNS="300")
    assert done.returncode == 1
    assert re.search(r" ✗  session .*ClassNotFoundException: com.example.Nope", done.stdout)
    assert " ✓  Java " in done.stdout
