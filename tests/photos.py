"""Photos generated for tests."""

import io
from pathlib import Path

from PIL import Image

ODD = ["it's an apple.jpg", "100% #1.png", "poire à 3 €.webp", "🍎.JPG", 'a "b", c.jpeg']
"""File names that often break programs."""


def save(
    folder: Path, name: str, colour: str | tuple[int, ...] = "red", size: tuple[int, int] = (60, 40)
) -> Path:
    """Save a small picture of one colour, in the format of its extension."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """The bytes of a picture encoded in this format."""
    out = io.BytesIO()
    image.save(out, kind, **({"speed": 10} if kind == "AVIF" else {}), **options)
    return out.getvalue()
