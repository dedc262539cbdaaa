"""What a JPEG needs to be decoded, without its metadata; and whether its picture is complete."""

import hashlib
import io
import re
from collections.abc import Iterator

import numpy as np
from PIL import Image

EOI = b"\xff\xd9"
_SOS = 0xDA
_SCAN = int.from_bytes(b"\xff\xda", "little")
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TABLES = frozenset({0xC4, 0xCC, 0xDB, 0xDD})  # Huffman, arithmetic, quantization, restarts
_MARKER = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd7]")
_TRIES = 2000
"""Places where the next valid segment is looked for, so that no file takes hours."""
_MANY_PARTS = 100_000  # for the same reason
MOST_SCANS = 100
"""Progressive files have about ten. Each takes as long as a picture, even if it is empty."""
PADDING = bytes(16)
"""A file that ends in as many zeros was only partly written, if nothing else ends it."""
_NOISE = bytes(range(0xC0, 0xFF)) * 64
_GUESSES = (
    b"",
    bytes(4096),
    b"\xaa\x55" * 2048,
    b"\x55\xee" * 2048,
    b"\xe7\x3c" * 2048,
    _NOISE,
)
"""Image data that might follow."""


def essential(data: bytes, max_pixels: int) -> bytes | None:
    """A JPEG with only what decoding needs, or None if that is damaged or incomplete."""
    found = _header(data)
    if found is None:
        return None
    segments, scan = found
    end, complete = _scans(data, scan)
    clean = b"".join([b"\xff\xd8", *segments, data[scan:end]])
    if clean.endswith(EOI):
        return clean
    if data.endswith(PADDING):
        clean = clean.rstrip(b"\0")
        clean += b"\0" if clean.endswith(b"\xff") else b""
    elif clean.endswith(b"\xff"):  # half of the end marker
        clean = clean[:-1]
    return clean + EOI if complete and _is_whole(clean, max_pixels) else None


def _header(data: bytes) -> tuple[list[bytes], int] | None:
    """The segments that decoding needs, and where the first scan starts.

    A segment of metadata with a wrong length is searched for the next valid segment; pictures in
    it (thumbnails) are skipped.
    """
    segments: list[bytes] = []
    at, lost, frame = 2, False, False
    for _ in range(_TRIES):
        if not (match := _MARKER.search(data, at)) or match.start() + 4 > len(data):
            return None
        at = match.start()
        marker, end = data[at + 1], at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if marker == 0xD8:
            at = data.find(EOI, at) + 2 if lost else at + 2
            if at < 2:
                return None
        elif marker in _FRAMES | _TABLES | {_SOS} and _is_valid(data, at, end):
            if marker == _SOS:
                return (segments, at) if frame else None
            frame |= marker in _FRAMES
            segments.append(data[at:end])
            at, lost = end, False
        elif marker >= 0xE0 and end >= at + 4 and _is_marker(data, end):
            if _decides_colours(data[at:end]):
                segments.append(data[at:end])
            at, lost = end, False
        else:
            at, lost = at + 2, True
    return None


def _is_marker(data: bytes, at: int) -> bool:
    return data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] not in (b"", b"\0")


def _is_valid(data: bytes, at: int, end: int) -> bool:
    """Whether the length of a segment is right for what it contains."""
    marker, body = data[at + 1], data[at + 4 : end]
    if end > len(data) or (marker != _SOS and not _is_marker(data, end)):
        return False
    if marker == _SOS:
        return bool(body) and 1 <= body[0] <= 4 and len(body) == 4 + 2 * body[0]
    if marker in _FRAMES:
        return len(body) >= 6 and len(body) == 6 + 3 * body[5]
    if marker == 0xDD:
        return len(body) == 2
    while marker != 0xCC and body:
        table = 65 if body[0] < 16 else 129
        size = table if marker == 0xDB else 17 + sum(body[1:17])
        if len(body) < size:
            return False
        body = body[size:]
    return True


def _decides_colours(segment: bytes) -> bool:
    """Whether decoders take the colour space from this segment."""
    jfif = segment[1] == 0xE0 and segment[4:9] == b"JFIF\0" and len(segment) >= 18
    adobe = segment[1] == 0xEE and segment[4:9] == b"Adobe" and len(segment) >= 16
    return jfif or adobe


def _scans(data: bytes, at: int) -> tuple[int, bool]:
    """The end of a picture whose first scan starts here, and whether no scan is missing."""
    needed: dict[int, list[bool]] = {}
    for marker, start, end in _parts(data, at):
        if marker == EOI[1]:
            return end, True
        if marker in _TABLES and end > len(data):
            return len(data), False
        if marker == _SOS:
            if not _is_valid(data, start, end):
                return len(data), False
            count = data[start + 4]
            first, last, bits = data[end - 3 : end]
            for component in data[start + 5 : start + 5 + 2 * count : 2]:
                done = needed.setdefault(component, [False] * 64)
                done[first : last + 1] = [bits & 15 == 0] * len(done[first : last + 1])
    return len(data), bool(needed) and all(all(done) for done in needed.values())


def _parts(data: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment from the first scan to the end marker."""
    for _ in range(_MANY_PARTS):
        if not (match := _MARKER.search(data, at)):
            return
        start, marker = match.start(), data[match.start() + 1]
        has_length = marker in _TABLES | {_SOS} or marker >= 0xE0
        at = start + 2 + (int.from_bytes(data[start + 2 : start + 4]) if has_length else 0)
        yield marker, start, at
        if marker == EOI[1]:
            return


def has_many_scans(data: bytes) -> bool:
    """Whether a JPEG has more scans than `MOST_SCANS`."""
    # bytes.count takes 2 ms for 2 MB of image data, in which 0xFF is frequent.
    pairs = (np.frombuffer(data, "<u2", (len(data) - start) // 2, start) for start in (0, 1))
    if sum(np.count_nonzero(pair == _SCAN) for pair in pairs) <= MOST_SCANS:
        return False
    # Some may be in thumbnails, or in a video that follows.
    found = _header(data)
    return (
        found is None or sum(marker == _SOS for marker, *_ in _parts(data, found[1])) > MOST_SCANS
    )


def _is_whole(data: bytes, max_pixels: int) -> bool:
    """Whether a JPEG without an end marker lacks only that.

    If image data is missing, whatever follows becomes part of the picture: so different
    continuations give different pixels.
    """
    restarts = re.findall(rb"\xff([\xd0-\xd7])", data[data.rfind(b"\xff\xda") :])
    restart = 0xD0 + (restarts[-1][0] + 1) % 8 if restarts else 0xD0
    seen = set()
    for guess in (*_GUESSES, bytes([0xFF, restart]) + _NOISE):
        digest = hashlib.sha256()
        with Image.open(io.BytesIO(data + guess + EOI), formats=["JPEG"]) as image:
            if image.width * image.height > max_pixels:
                return True  # too large anyway, which is for the caller to say
            for top in range(0, image.height, 256):
                box = (0, top, image.width, min(top + 256, image.height))
                digest.update(image.crop(box).tobytes())
        seen.add(digest.digest())
        if len(seen) > 1:
            return False
    return True
