"""What results still say of a photo."""

import re
from pathlib import Path

import pandas as pd


def paths_anywhere(results: Path) -> set[str]:
    """Every photo's path that any file below the results holds."""
    found: set[str] = set()
    for file in results.rglob("*.parquet"):
        frame = pd.read_parquet(file)
        found |= set(frame["path"]) if "path" in frame else set()
    for file in (results / "results.csv", results / "report.html", results / "manifest.json"):
        found |= set(re.findall(r"L(?:ime|emon)/\w+\.\w+", file.read_text()))
    return found
