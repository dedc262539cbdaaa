"""Finds mentions of photos in results."""

import re
from pathlib import Path

import pandas as pd


def paths_anywhere(results: Path) -> set[str]:
    """The paths of all photos mentioned in any file of the results."""
    paths: set[str] = set()
    for file in results.rglob("*.parquet"):
        frame = pd.read_parquet(file)
        paths |= set(frame["path"]) if "path" in frame else set()
    for file in (results / "results.csv", results / "report.html", results / "manifest.json"):
        paths |= set(re.findall(r"L(?:ime|emon)/\w+\.\w+", file.read_text()))
    return paths
