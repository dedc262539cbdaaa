"""Pictures of four colours in files of all kinds, and what must be seen of them."""

import struct
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from photos import encoded
from PIL import Image, ImageCms

MANY = 10**6
"""A pixel limit far above the size of all pictures in these tests."""
COLOURS = {"R": (255, 0, 0), "G": (0, 255, 0), "B": (0, 0, 255), "Y": (255, 255, 0)}
WHITE = (255, 255, 255)
Tags = Mapping[int, int | tuple[int, ...]]
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "PPM")


def quarters(letters: str = "RGBY", size: tuple[int, int] = (60, 40)) -> Image.Image:
    """A picture with four colours: top left, top right, bottom left, bottom right."""
    cells = np.array([COLOURS[letter] for letter in letters], np.uint8).reshape(2, 2, 3)
    return Image.fromarray(cells).resize(size, Image.Resampling.NEAREST)


def animated(kind: str) -> bytes:
    """The quarters, followed by a black frame, page or picture."""
    black = Image.new("RGB", (60, 40))
    return encoded(quarters(), kind, save_all=True, append_images=[black])


def greys(*values: float, dtype: type = np.uint8) -> NDArray[np.generic]:
    """A 60 x 40 array whose quarters have these grey values."""
    return np.array(values, dtype).reshape(2, 2).repeat(20, axis=0).repeat(30, axis=1)


def lab(image: Image.Image) -> Image.Image:
    spaces = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    converted = ImageCms.profileToProfile(image, *spaces, outputMode="LAB")
    assert converted is not None  # None only if converted in place
    return converted


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(pixels: NDArray[np.generic], clear: tuple[int, ...] = ()) -> bytes:
    """A PNG with 16 bits per sample, which Pillow can write only for grey pictures."""
    height, width = pixels.shape[:2]
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[pixels.size // (width * height)]
    rows = pixels.reshape(height, -1).astype(">u2")
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)),
            chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear)) if clear else b"",
            chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))),
            chunk(b"IEND", b""),
        )
    )


def tiff(pixels: NDArray[np.generic], order: str) -> bytes:
    """An RGB TIFF with 16 bits per sample, little-endian (`<`) or big-endian (`>`)."""
    height, width, samples = pixels.shape
    data = pixels.astype(f"{order}u2").tobytes()
    bits_at = 8 + 2 + 9 * 12 + 4
    tags = (
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, samples, bits_at),
        (259, 4, 1, 1),  # no compression
        (262, 4, 1, 2),  # RGB
        (273, 4, 1, bits_at + 2 * samples),
        (277, 4, 1, samples),
        (278, 4, 1, height),
        (279, 4, 1, len(data)),
    )
    return b"".join(
        (
            {"<": b"II*\0", ">": b"MM\0*"}[order],
            struct.pack(f"{order}IH", 8, len(tags)),
            *(struct.pack(f"{order}HHII", *tag) for tag in tags),
            struct.pack(f"{order}I{samples}H", 0, *[16] * samples),
            data,
        )
    )


def tiff_of(tags: Tags, data: bytes, order: str = "<") -> bytes:
    """A 60 x 40 TIFF with one strip and these tags, all of type SHORT, beside those of its size."""
    values: Tags = {256: 60, 257: 40, 259: 1, 278: 40, **tags}
    texts: dict[int, bytes] = {}
    for tag, value in values.items():
        numbers = value if isinstance(value, tuple) else (value,)
        texts[tag] = struct.pack(f"{order}{len(numbers)}H", *numbers)
    after = 8 + 2 + 12 * (len(texts) + 2) + 4
    blobs, entries = b"", []
    for tag, text in texts.items():
        where = text.ljust(4, b"\0")
        if len(text) > 4:
            where = struct.pack(f"{order}I", after + len(blobs))
            blobs += text
        entries.append((tag, 3, len(text) // 2, where))
    entries.append((273, 4, 1, struct.pack(f"{order}I", after + len(blobs))))
    entries.append((279, 4, 1, struct.pack(f"{order}I", len(data))))
    directory = b"".join(struct.pack(f"{order}HHI4s", *entry) for entry in sorted(entries))
    start = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}IH", 8, len(entries))
    return start + directory + bytes(4) + blobs + data


def bmp(
    bits: int, rows: bytes, *, header: int = 40, compression: int = 0, after: bytes = b""
) -> bytes:
    """A 60 x 40 BMP; `rows` go from the bottom to the top; `after` are masks and palette."""
    info = struct.pack("<IiiHHIIiiII", header, 60, 40, 1, bits, compression, len(rows), 0, 0, 0, 0)
    info = (info + after).ljust(header, b"\0")
    at = 14 + len(info)
    return b"BM" + struct.pack("<IHHI", at + len(rows), 0, 0, at) + info + rows


def orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def assert_quarters(
    picture: Image.Image, *expected: int | tuple[int, ...], tolerance: int = 0
) -> None:
    """Check the colour at the centre of each quarter; a single number means grey."""
    assert picture.mode == "RGB"
    assert picture.size == (60, 40)
    seen = [picture.getpixel(place) for place in ((15, 10), (45, 10), (15, 30), (45, 30))]
    colours = [(e,) * 3 if isinstance(e, int) else e for e in expected]
    assert np.abs(np.subtract(np.array(seen), np.array(colours))).max() <= tolerance, seen
