"""Time and memory that a worker needs to decode large photos, by format.

    python bench/large_photos.py PHOTOS LARGE && python bench/formats.py LARGE

Takes three of the photos, at their original size (12 megapixels) and enlarged to 99 megapixels, in
each format. Prints a table with the photo size, the median time from bytes to the model's input,
and the peak memory in addition to what the process used before. Each case runs in its own process.
HEIC is missing: the library that reads it cannot write it.
"""

import argparse
import io
import multiprocessing
import statistics
import time
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

from fruits.photos import decode
from fruits.photos.listing import list_photos
from fruits.storage.local import LocalFolder

_SAMPLES = 3
_HUGE = (11_500, 8_600)
_CASES: dict[str, tuple[dict[str, Any], bool]] = {
    "JPEG": ({"format": "JPEG", "quality": 90}, False),
    "JPEG, progressive": ({"format": "JPEG", "quality": 90, "progressive": True}, False),
    "JPEG, `--decode exact`": ({"format": "JPEG", "quality": 90}, True),
    "PNG": ({"format": "PNG", "compress_level": 6}, False),
    "WebP": ({"format": "WEBP", "quality": 85, "method": 0}, False),
    "AVIF": ({"format": "AVIF", "quality": 70, "speed": 10}, False),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, help="a folder of large photos")
    source = parser.parse_args().photos
    paths = list_photos(LocalFolder(str(source))).table["path"].to_pylist()
    chosen = paths[:: max(1, len(paths) // _SAMPLES)][:_SAMPLES]
    print("| format | megapixels | MB | ms | memory, MB |\n|---|---|---|---|---|")
    context = multiprocessing.get_context("spawn")
    for size in (None, _HUGE):
        for name, (options, exact) in _CASES.items():
            with context.Pool(1) as encoder:
                photos = encoder.starmap(_encoded, [(source / p, size, options) for p in chosen])
            megapixels = statistics.mean(width * height for width, height, _ in photos) / 1e6
            data = [data for _, _, data in photos]
            with context.Pool(1) as decoder:
                ms, mb = decoder.apply(_measured, (data, exact))
            mean_mb = statistics.mean(map(len, data)) / 1e6
            print(
                f"| {name} | {megapixels:.0f} | {mean_mb:.1f} | {ms:.0f} | {mb:.0f} |", flush=True
            )


def _encoded(
    path: Path, size: tuple[int, int] | None, options: dict[str, Any]
) -> tuple[int, int, bytes]:
    Image.MAX_IMAGE_PIXELS = None
    picture = Image.open(path).convert("RGB")
    if size:
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    out = io.BytesIO()
    picture.save(out, **options)
    return *picture.size, out.getvalue()


def _measured(data: list[bytes], exact: bool) -> tuple[float, float]:
    """Median milliseconds per decode, and peak memory in MB above the level before."""
    clear, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    seconds = []
    before = psutil.Process().memory_info().rss
    clear.write_text("5")  # reset the peak
    for photo in data:
        start = time.perf_counter()
        decode.prepare(photo, 100_000_000, "exact" if exact else "fast")
        seconds.append(time.perf_counter() - start)
    (peak,) = (line.split()[1] for line in status.read_text().splitlines() if "VmHWM" in line)
    return 1000 * statistics.median(seconds), (int(peak) * 1024 - before) / 1e6


if __name__ == "__main__":
    main()
