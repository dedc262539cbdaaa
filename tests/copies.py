"""A folder of photos with their results, made once and copied for each test that changes it."""

import json
import shutil
from pathlib import Path


def copy_results(made: Path, home: Path) -> None:
    """`made`/photos and `made`/results into `home`, whose results follow the copied photos."""
    shutil.copytree(made, home, dirs_exist_ok=True)  # with the times, by which photos are known
    manifest = home / "results" / "manifest.json"
    facts = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**facts, "photos": str(home / "photos")}, indent=2) + "\n")
