"""The picture of a damaged file, without the parts that decoding doesn't need.

Used only for files that could not be decoded as they are. What is missing from the picture itself
is never made up: then the file stays damaged.
"""

import contextlib
import re
import struct
import zlib
from collections.abc import Iterator

from PIL import ExifTags, Image

from fruits.photos import jpeg, tiff

PNG = b"\x89PNG\r\n\x1a\n"
_IEND = b"\0\0\0\0IEND\xaeB`\x82"
_INFLATED_BYTES = 2**20  # at a time
_GIF = (b"GIF87a", b"GIF89a")
_PNG_NAMES = re.compile(rb"PLTE|tRNS|IDAT|IEND")
_EMPTY = re.compile(rb"!.(?:\x0bNETSCAPE2\.0)?\0", re.DOTALL)
_EXIF = re.compile(rb"(?:Exif\0\0|eXIf|EXIF.{4})(?=II\*\0|MM\0\*)", re.DOTALL)
_WEBP = re.compile(rb"VP8[ LX]|ALPH|ANIM|ANMF")
_WEBP_NAME = re.compile(rb"[A-Z][A-Z0-9 ]{3}")
_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heix", b"mif1"})
_TRIES = 20
"""Places where the next valid part of a damaged file is looked for, so that no file takes hours."""
_MANY_CHUNKS = 100_000  # for the same reason


def repaired(data: bytes, max_pixels: int) -> bytes | None:
    """A file with the same picture and without metadata, or None if there is no hope."""
    if data.startswith(b"\xff\xd8"):
        return jpeg.essential(data, max_pixels)
    if data.startswith(PNG):
        return _png(data)
    if data.startswith(_GIF):
        return _gif(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _webp(data)
    if data[4:8] == b"ftyp":
        return without_metadata(data)
    return tiff.essential(data)


def is_padded(data: bytes) -> bool:
    """Whether a JPEG or PNG ends in zeros instead of its picture, as interrupted copies do.

    Decoders take zeros for image data. In other formats, whole pictures can end in zeros.
    """
    if not data.endswith(jpeg.PADDING):
        return False
    ends = jpeg.EOI if data.startswith(b"\xff\xd8") else _IEND
    return data.startswith((b"\xff\xd8", PNG)) and not data.rstrip(b"\0").endswith(ends)


def orientation(data: bytes) -> int:
    """The EXIF orientation in a JPEG, PNG or WebP, as far as it can be read; otherwise 1."""
    if data.startswith((b"\xff\xd8", PNG, b"RIFF")) and (found := _EXIF.search(data)):
        with contextlib.suppress(Exception):
            exif = Image.Exif()
            exif.load(data[found.end() : found.end() + 2**16])
            return int(exif.get(ExifTags.Base.Orientation, 1))
    return 1


def _png(data: bytes) -> bytes | None:
    """IHDR, PLTE, tRNS and one IDAT, wherever they are: the rest is ancillary."""
    kept: dict[bytes, bytes] = {}
    pixels = []
    for name, start, end in _png_chunks(data):
        if name == b"IDAT":
            pixels.append(data[start + 8 : end - 4])
        elif name in (b"IHDR", b"PLTE", b"tRNS"):
            kept.setdefault(name, data[start:end])
    if b"IHDR" not in kept or not pixels or (is_padded(data) and not _inflates(pixels)):
        return None
    body = b"IDAT" + b"".join(pixels)
    idat = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    header = b"".join(kept.get(name, b"") for name in (b"IHDR", b"PLTE", b"tRNS"))
    return PNG + header + idat + _IEND


def _inflates(parts: list[bytes]) -> bool:
    """Whether compressed data ends where it should, and not before or in the middle of zeros."""
    stream = zlib.decompressobj()
    try:
        for part in parts:
            rest = part
            while rest and not stream.eof:
                stream.decompress(rest, _INFLATED_BYTES)
                rest = stream.unconsumed_tail
    except zlib.error:
        return False
    return stream.eof


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of each chunk; after one with a wrong length, from the next valid one."""
    at, tries, chunks = len(PNG), iter(range(_TRIES)), 0
    while at + 8 <= len(data) and (chunks := chunks + 1) <= _MANY_CHUNKS:
        length, name = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if name == b"IEND" and not length:
            return
        if name in (b"IHDR", b"PLTE", b"tRNS", b"IDAT"):
            yield name, at, end
        elif not (_png_valid(data, at) or _png_name(data, end)):
            found = _next_png_chunk(data, at + 4, tries)
            if found is None:
                return
            end = found
        at = end


def _png_name(data: bytes, at: int) -> bool:
    return at == len(data) or re.match(rb"[A-Za-z]{4}", data[at + 4 : at + 8]) is not None


def _png_valid(data: bytes, at: int) -> bool:
    """Whether the chunk at this offset ends with its checksum."""
    (length,) = struct.unpack_from(">I", data, at)
    end = at + 8 + length
    return end + 4 <= len(data) and zlib.crc32(memoryview(data)[at + 4 : end]) == int.from_bytes(
        data[end : end + 4]
    )


def _next_png_chunk(data: bytes, at: int, tries: Iterator[int]) -> int | None:
    for found, _ in zip(_PNG_NAMES.finditer(data, at), tries, strict=False):
        if _png_valid(data, found.start() - 4):
            return found.start() - 4
    return None


def is_misread(data: bytes) -> bool:
    """Whether Pillow would accept a damaged file, and take other parts of it for the picture.

    In a GIF, after an extension that is damaged, or that is empty, which the format allows. In a
    TIFF, after a tag that is damaged, as the following ones are then skipped.
    """
    if not data.startswith(_GIF) or len(data) < 13:
        return tiff.is_misread(data)
    starts = _gif_extensions(data)
    frame = starts[-1]
    return (
        data[frame : frame + 1] != b","
        or any(_EMPTY.match(data, at) for at in starts[:-1])
        or (_gif_control(data, frame) and frame - 8 not in starts)
    )


def _gif(data: bytes) -> bytes | None:
    """The header, the first frame and its transparent colour."""
    *extensions, at = _gif_extensions(data)
    header, control = data[: _gif_header(data)], b""
    for start in extensions:
        if data[start + 1 : start + 3] == b"\xf9\x04":
            control = data[start : start + 8]
    for start, end in _gif_frames(data, at, len(data), iter(range(_TRIES))):
        if _gif_control(data, start):
            control = data[start - 8 : start]
        return header + control + data[start:end] + b";"
    return None


def _gif_header(data: bytes) -> int:
    return 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)


def _gif_extensions(data: bytes) -> list[int]:
    """Where each extension before the first frame starts, and where they end or are damaged."""
    starts, tries = [_gif_header(data)], iter(range(_TRIES))
    while data[starts[-1] : starts[-1] + 1] == b"!" and len(starts) <= _MANY_CHUNKS:
        at = starts[-1]
        end = _gif_blocks(data, at + 2)
        if (
            end is None
            or data[end : end + 1] not in (b"!", b",")
            or (data[at + 1] == 0xF9 and end - at not in (3, 8))
            or any(_gif_frames(data, at, end, tries))
        ):
            break
        starts.append(end)
    return starts


def _gif_control(data: bytes, frame: int) -> bool:
    """Whether a graphic control extension, with the transparent colour, precedes a frame."""
    return frame >= 8 and data[frame - 8 : frame - 5] == b"!\xf9\x04" and not data[frame - 1]


def _gif_frames(
    data: bytes, start: int, stop: int, tries: Iterator[int]
) -> Iterator[tuple[int, int]]:
    """Start and end of what can only be frames, if their start is in this part of the file."""
    width, height = struct.unpack_from("<HH", data, 6)
    for found, _ in zip(
        re.compile(b",").finditer(data, start, stop), range(_MANY_CHUNKS), strict=False
    ):
        at = found.start()
        if at + 11 > len(data):
            return
        x, y, right, low, flags = struct.unpack_from("<4HB", data, at + 1)
        codes = at + 10 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
        inside = right > 0 and low > 0 and x + right <= width and y + low <= height
        if inside and codes < len(data) and 2 <= data[codes] <= 8:
            if next(tries, None) is None:
                return
            end = _gif_blocks(data, codes + 1)
            if end is not None and data[end : end + 1] in (b"!", b",", b";", b""):
                yield at, end


def _gif_blocks(data: bytes, at: int) -> int | None:
    """The end of a sequence of data blocks, if it is in the file."""
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return at + 1 if at < len(data) else None


def _webp(data: bytes) -> bytes | None:
    """The picture, or the first frame of an animation, with its transparency."""
    kept: dict[bytes, bytes] = {}
    for name, body in _webp_chunks(data):
        kept.setdefault(name, body)
    if extended := kept.get(b"VP8X"):  # flags for what is kept: transparency, animation
        kept[b"VP8X"] = bytes([extended[0] & 0x12]) + extended[1:]
    still = b"VP8 " in kept or b"VP8L" in kept
    if still and b"ALPH" not in kept:
        wanted = {b"VP8 ", b"VP8L"}
    elif still:
        wanted = {b"VP8X", b"ALPH", b"VP8 "}
    else:
        wanted = {b"VP8X", b"ANIM", b"ANMF"}
    order = (b"VP8X", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L")
    names = [name for name in order if name in wanted & kept.keys()]
    chunks = b"".join(
        name + struct.pack("<I", len(kept[name])) + kept[name] + b"\0" * (len(kept[name]) & 1)
        for name in names
    )
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks if names else None


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and contents of each chunk, also if padding is missing or a length is wrong."""
    at, chunks = 12, 0
    while at + 8 <= len(data) and (chunks := chunks + 1) <= _MANY_CHUNKS:
        name, size = struct.unpack_from("<4sI", data, at)
        end = at + 8 + size
        needed = _WEBP.fullmatch(name)
        places = [end + (size & 1), end]
        followed = [p for p in places if p == len(data) or _WEBP_NAME.match(data, p)]
        if needed and end <= len(data):
            yield name, data[at + 8 : end]
            at = [*followed, places[0]][0]
        elif followed:
            at = followed[0]
        else:
            found = None if needed else _WEBP.search(data, at + 8)
            if found is None:
                return
            at = found.start()


def is_heic(data: bytes) -> bool:
    """Whether pi-heif will read this file: the metadata of damaged ones crashes it.

    It can go unread: the orientation of HEIC is not in EXIF.
    """
    return data[4:8] == b"ftyp" and data[8:11] != b"avi"


def without_metadata(data: bytes) -> bytes:
    """HEIC or AVIF whose metadata and colour profile are declared to be of an unknown kind."""
    end = 8 + max(0, int.from_bytes(data[:4]) - 8)
    if data[8:12] not in _BRANDS and (
        brand := _BRANDS.intersection(data[at : at + 4] for at in range(16, min(end, len(data)), 4))
    ):  # e.g. MiHE of some cameras, which is HEIC
        data = data[:8] + min(brand) + data[12:]
    at = data.find(b"meta", end)
    stop = at - 4 + int.from_bytes(data[at - 4 : at]) if at >= 4 else 0
    meta = re.sub(
        rb"(infe(?:\x02.{7}|\x03.{9}))(?:Exif|mime|(?![ -~]{4}).{4})",
        rb"\1free",
        data[at:stop],
        flags=re.DOTALL,
    )
    meta = re.sub(rb"colr(?=prof|rICC)", b"free", meta)
    return data[:at] + meta + data[stop:] if 0 <= at < stop else data
