"""Generate photos as large, noisy and detailed as a phone's from small ones.

    python bench/large_photos.py PHOTOS DIR [--count 500]

Each is 4032 x 3024 pixels (12 megapixels), portrait or landscape by its EXIF orientation, in a
folder named after its label. Merely enlarged photos would be smooth and too easy to decode, so the
small photo's own fine structure is overlaid at four finer scales, followed by sensor noise.
"""

import argparse
import multiprocessing
import sys
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from fruits.photos.listing import list_photos
from fruits.storage.local import LocalFolder

LARGE = (4032, 3024)
_DETAIL = (0.3, 0.3, 0.25, 0.2)
"""Strength of the overlaid structure at each scale, from 2 to 16 times as fine."""
_NOISE = 4.0
"""Standard deviation of the noise (0 to 255), like that of a phone at ISO 200 to 400."""
_QUALITY = 88


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="a folder of photos, in label folders")
    parser.add_argument("target", metavar="DIR", type=Path, help="where to write the large photos")
    parser.add_argument(
        "--count", type=int, default=500, help="number of photos (default: %(default)s)"
    )
    args = parser.parse_args()
    paths = list_photos(LocalFolder(str(args.photos))).table["path"].to_pylist()
    sizes = make(args.photos, args.target, paths, args.count)
    print(f"{len(sizes)} photos, {sum(sizes) / len(sizes) / 1e6:.2f} MB each", file=sys.stderr)


def make(photos: Path, target: Path, paths: list[str], count: int) -> list[int]:
    """Write up to `count` large photos, from evenly spaced small ones; return their file sizes."""
    chosen = [paths[i * len(paths) // count] for i in range(min(count, len(paths)))]
    with multiprocessing.Pool() as pool:
        return pool.map(partial(_make, photos, target), enumerate(chosen), chunksize=4)


def _make(photos: Path, folder: Path, numbered: tuple[int, str]) -> int:
    """Write a large photo; return its file size."""
    number, path = numbered
    random = np.random.default_rng(number)
    small = ImageOps.fit(Image.open(photos / path).convert("RGB"), (348, 261))
    large = enlarged(small, random)
    exif = Image.Exif()
    if number % 2:  # portrait: stored in landscape, with an EXIF rotation
        large, exif[0x0112] = large.transpose(Image.Transpose.ROTATE_90), 6
    target = (folder / path).with_suffix(".jpg")
    target.parent.mkdir(parents=True, exist_ok=True)
    large.save(target, "JPEG", quality=_QUALITY, subsampling="4:2:0", exif=exif)
    return target.stat().st_size


def enlarged(small: Image.Image, random: np.random.Generator) -> Image.Image:
    """An image of size `LARGE` that resembles `small` when scaled down, with added fine detail."""
    pixels = np.asarray(small.resize(LARGE, Image.Resampling.BICUBIC), np.float32)
    blurred = small.filter(ImageFilter.GaussianBlur(2))
    fine = np.asarray(small, np.float32) - np.asarray(blurred, np.float32)
    tile = np.clip(128 + fine, 0, 255).astype(np.uint8)
    for finer, strength in enumerate(_DETAIL, 1):
        scale = LARGE[0] / small.width / 2**finer
        size = (round(small.width * scale), round(small.height * scale))
        structure = Image.fromarray(tile).resize(size, Image.Resampling.BICUBIC)
        pixels += strength * (_tiled(np.asarray(structure, np.float32), random) - 128)
    noise = random.normal(0, _NOISE, (1024, 1024, 3)).astype(np.float32)
    return Image.fromarray(np.clip(pixels + _tiled(noise, random), 0, 255).astype(np.uint8))


def _tiled(tile: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """The tile repeated over `LARGE` from a random offset, mirrored to hide the seams."""
    width, height = LARGE
    mirrored = np.concatenate([tile, tile[:, ::-1]], axis=1)
    mirrored = np.concatenate([mirrored, mirrored[::-1]], axis=0)
    high, wide = mirrored.shape[:2]
    mirrored = np.roll(mirrored, random.integers(0, (high, wide)), axis=(0, 1))
    return np.tile(mirrored, (-(-height // high), -(-width // wide), 1))[:height, :width]


if __name__ == "__main__":
    main()
