"""Paths in the repository."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "data" / "photos"
HEIC = ROOT / "tests" / "data" / "apple.heic"
SCREENSHOTS = ROOT / "build" / "screenshots"
