"""`fruits doctor` prints its rows where packages or settings are broken."""

import os
import re
from pathlib import Path

import pytest
from command import fruits
from photos import save


@pytest.mark.parametrize("package", ["pi_heif", "PIL", "numpy"])
def test_a_broken_package_is_a_row(tmp_path: Path, package: str) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / f"{package}.py").write_text("raise ImportError('its library is missing')")
    save(tmp_path / "photos" / "Kiwi", "a.png")
    done = fruits(
        *("doctor", str(tmp_path / "photos")),
        PYTHONPATH=os.pathsep.join(filter(None, [str(hidden), os.environ.get("PYTHONPATH")])),
        JAVA_HOME="/no/such/java",
        COLUMNS="300",
    )
    assert done.returncode == 1, done.stderr
    assert re.search(rf" ✗  packages .*{package}: ImportError: its library is", done.stdout)
    assert " ✓  photos: read " in done.stdout


def test_submit_args_that_cant_be_parsed_are_a_row() -> None:
    done = fruits("doctor", PYSPARK_SUBMIT_ARGS="--conf 'x", COLUMNS="300")
    assert done.returncode == 1, done.stderr
    assert re.search(r" ✗  Spark +PYSPARK_SUBMIT_ARGS=--conf 'x can't be parsed", done.stdout)
    assert " ✓  Java " in done.stdout
