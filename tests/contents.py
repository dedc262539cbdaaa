"""Reads the contents of a results folder."""

import json
from pathlib import Path
from typing import Any

import pandas as pd


def manifest(results: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((results / "manifest.json").read_text())
    return facts


def table(results: Path, name: str) -> pd.DataFrame:
    """The table of that name in the manifest, read as documented."""
    return pd.read_parquet([str(results / file) for file in manifest(results)[name]])


def snapshot(folder: Path) -> dict[str, bytes]:
    """The contents of all files except the lock, by path."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != ".lock")
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}
