"""Finds mentions of photos in results."""

import re
from pathlib import Path

import pandas as pd


def paths_anywhere(results: Path) -> set[str]:
    """The paths of all photos mentioned in any file of the results."""
    paths: set[str] = set()
    for file in results.rglob("*.parquet"):
        frame = pd.read_parquet(file)
        for column in ("path", "nearest"):
            paths |= set(frame[column].dropna()) if column in frame else set()
    for name in ("results.csv", "suspects.csv", "report.html", "manifest.json"):
        file = results / name
        if not file.exists():
            continue
        paths |= set(re.findall(r"L(?:ime|emon)/\w+\.\w+", file.read_text()))
    return paths
