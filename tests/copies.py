"""Copies photos and their results for tests that modify them."""

import json
import shutil
from pathlib import Path


def copy_results(source: Path, home: Path) -> None:
    """Copy photos and results from `source` to `home`; the copied results refer to the copies."""
    shutil.copytree(source, home, dirs_exist_ok=True)  # keeps times, which identify photos
    manifest = home / "results" / "manifest.json"
    facts = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**facts, "photos": str(home / "photos")}, indent=2) + "\n")
