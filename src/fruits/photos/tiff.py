"""The directories of a TIFF: what they say, and a TIFF with only what decoding needs."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
"""Bytes per value of each type (TIFF 6.0, section 2; BigTIFF)."""
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}
_ESSENTIAL = frozenset(
    # size, bits, compression, colours, fill order, strips, orientation, samples, planes
    {256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284}
    # fax options, predictor, palette, tiles, inks, alpha, sample format
    | {292, 293, 317, 320, 322, 323, 324, 325, 332, 338, 339}
    # JPEG and YCbCr
    | {347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532}
)
PHOTOMETRIC, ORIENTATION, SUB_IFDS, DNG_VERSION = 262, 274, 330, 50706
_SENSOR = frozenset({32803, 34892})
"""The values of PhotometricInterpretation for data of a sensor (TIFF/EP, DNG)."""
_MOST = 4096
"""Tags of a directory; more can only be damage."""
_MANY = 64
"""Directories, and values of a tag, that are looked at."""


class Entry(NamedTuple):
    tag: int
    kind: int
    values: int
    raw: bytes


class Layout(NamedTuple):
    """How numbers are written: byte order, and whether offsets have 8 bytes (BigTIFF)."""

    order: str
    big: bool
    first: int


def layout(data: bytes) -> Layout | None:
    """The layout of a TIFF, or None for anything else."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 16:
        return None
    (magic,) = struct.unpack_from(f"{order}H", data, 2)
    if magic not in (42, 43):
        return None
    big = magic == 43
    return Layout(
        order,
        big,
        struct.unpack_from(*(f"{order}Q", data, 8) if big else (f"{order}I", data, 4))[0],
    )


def entries(data: bytes, how: Layout, at: int) -> tuple[list[Entry], int]:
    """The entries of the directory at this offset, and the offset of the next (0: none).

    Raises:
        struct.error: the directory is not completely in the file.
    """
    (count,) = struct.unpack_from(how.order + ("Q" if how.big else "H"), data, at)
    at += 8 if how.big else 2
    form = struct.Struct(how.order + ("HHQ8s" if how.big else "HHI4s"))
    if count > _MOST or at + count * form.size > len(data):
        raise struct.error("the directory is not completely in the file")
    found = [Entry(*form.unpack_from(data, at + i * form.size)) for i in range(count)]
    after = at + count * form.size
    try:
        (following,) = struct.unpack_from(how.order + ("Q" if how.big else "I"), data, after)
    except struct.error:
        following = 0
    return found, following


def numbers(data: bytes, how: Layout, entry: Entry) -> tuple[int, ...]:
    """The first values of a tag of integers, or nothing if they can't be read."""
    kind = _INTEGERS.get(entry.kind)
    if kind is None:
        return ()
    size, count = _SIZES[entry.kind] * entry.values, min(entry.values, _MANY)
    raw = entry.raw
    if size > len(raw):
        (at,) = struct.unpack(how.order + ("Q" if how.big else "I"), raw)
        raw = data[at : at + _SIZES[entry.kind] * count]
    try:
        return struct.unpack_from(f"{how.order}{count}{kind}", raw)
    except struct.error:
        return ()


def directories(data: bytes, how: Layout) -> Iterator[dict[int, Entry]]:
    """The directories of a file, with those below them, as far as they can be read."""
    waiting, seen = [how.first], set[int]()
    while waiting and len(seen) < _MANY:
        at = waiting.pop(0)
        if at in seen or not at:
            continue
        seen.add(at)
        try:
            found, following = entries(data, how, at)
        except struct.error:
            continue
        directory = {entry.tag: entry for entry in found}
        yield directory
        waiting.append(following)
        if SUB_IFDS in directory:
            waiting += numbers(data, how, directory[SUB_IFDS])


def first_numbers(data: bytes) -> dict[int, tuple[int, ...]]:
    """The numbers in the first directory, by tag; nothing if this is not a TIFF."""
    how = layout(data)
    if how is None:
        return {}
    try:
        found, _ = entries(data, how, how.first)
    except struct.error:
        return {}
    return {entry.tag: numbers(data, how, entry) for entry in reversed(found)}


def is_raw(data: bytes) -> bool:
    """Whether a TIFF is a camera's raw file, of which decoders would return a small preview."""
    how = layout(data)
    if how is None:
        return False
    if data[8:10] == b"CR":  # Canon's CR2
        return True
    for directory in directories(data, how):
        photometric = directory.get(PHOTOMETRIC)
        if DNG_VERSION in directory or (
            photometric and _SENSOR.intersection(numbers(data, how, photometric))
        ):
            return True
    return False


def is_misread(data: bytes) -> bool:
    """Whether values of the first directory are not in the file, after which Pillow skips tags."""
    how = layout(data)
    if how is None:
        return False
    try:
        found, _ = entries(data, how, how.first)
    except struct.error:
        return True
    total = 0
    for entry in found:
        size = _SIZES.get(entry.kind, 0) * entry.values
        if size > len(entry.raw):
            (at,) = struct.unpack(how.order + ("Q" if how.big else "I"), entry.raw)
            total += size
            if at + size > len(data) or total > len(data):
                return True
    return False


def essential(data: bytes) -> bytes | None:
    """A TIFF whose only directory is the first one, with only the tags that decoding needs."""
    how = layout(data)
    if how is None:
        return None
    try:
        found, _ = entries(data, how, how.first)
    except struct.error:
        return None
    kept = {entry.tag: entry for entry in reversed(found) if entry.tag in _ESSENTIAL}
    if ORIENTATION in kept and not numbers(data, how, kept[ORIENTATION])[:1]:
        del kept[ORIENTATION]
    form = how.order + ("HHQ8s" if how.big else "HHI4s")
    directory = struct.pack(how.order + ("Q" if how.big else "H"), len(kept))
    directory += b"".join(struct.pack(form, *kept[tag]) for tag in sorted(kept))
    directory += bytes(8 if how.big else 4)
    return data[: how.first] + directory + data[how.first + len(directory) :]
