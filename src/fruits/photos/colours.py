"""Decoded pixels of any kind -> RGB, as other viewers show them, on white.

Covers what Pillow leaves to its callers, or shows as no other viewer does.
"""

import math

import numpy as np
from PIL import Image, ImageFile, ImageOps, TiffImagePlugin
from PIL.TiffImagePlugin import (
    BITSPERSAMPLE,
    COLORMAP,
    COMPRESSION,
    FILLORDER,
    PHOTOMETRIC_INTERPRETATION,
    PLANAR_CONFIGURATION,
    SAMPLEFORMAT,
    YCBCRSUBSAMPLING,
)

from fruits.errors import PhotoError
from fruits.photos import tiff
from fruits.photos.bounded import BoundedFile

_ROWS = 256
_INK_SET, _OTHER_INKS = 332, 2
_SIGNED, _WHITE_IS_ZERO, _YCBCR, _SEPARATE = 2, 0, 6, 2
# What Pillow knows for little-endian files. It does not invert such samples, so we do.
TiffImagePlugin.OPEN_INFO.setdefault(
    (b"MM", _WHITE_IS_ZERO, (1,), 1, (16,), ()), ("I;16B", "I;16B")
)


def opened(data: bytes, formats: tuple[str, ...]) -> Image.Image:
    """An image as Pillow opens it, where its own readers would not misplace samples or frames.

    Its reader of uncompressed TIFFs takes planes of 16 bits for 8 bits, and subsampled YCbCr for
    full YCbCr; libtiff doesn't. Its animated WebPs are black where there is no frame.
    """
    if data[8:16] == b"WEBPVP8X" and data[20] & 0x12 == 0x02:
        data = data[:20] + bytes([data[20] | 0x10]) + data[21:]
    if not _needs_libtiff(data):
        return Image.open(BoundedFile(data), formats=formats)
    TiffImagePlugin.READ_LIBTIFF = True
    try:
        return Image.open(BoundedFile(data), formats=["TIFF"])
    finally:
        TiffImagePlugin.READ_LIBTIFF = False


def _needs_libtiff(data: bytes) -> bool:
    tags = tiff.first_numbers(data)
    return (
        tags.get(PLANAR_CONFIGURATION) == (_SEPARATE,)
        or (
            tags.get(PHOTOMETRIC_INTERPRETATION) == (_YCBCR,)
            and tags.get(YCBCRSUBSAMPLING) != (1, 1)
        )
        or (tags.get(FILLORDER) == (2,) and tags.get(BITSPERSAMPLE) == (8,))
    )


def loaded(image: Image.Image, data: bytes) -> Image.Image:
    """A decoded image.

    Pillow decodes Netpbm whose largest value is not 255 in a loop in Python: 1.5 s per megapixel.
    """
    if not isinstance(image, ImageFile.ImageFile) or not image.tile:
        image.load()
        return image
    codec, _, offset, args = image.tile[0]
    if codec != "ppm" or not isinstance(args, tuple):
        image.load()
        return image
    most, shape = args[1], (image.height, image.width, len(image.getbands()))
    stored = np.frombuffer(data, ">u2" if most > 255 else "u1", math.prod(shape), offset)
    scaled = np.empty(shape, np.uint8)
    table = np.round(np.arange(most + 1) * (255 / most)).astype(np.uint8)
    for top in range(0, image.height, _ROWS):
        scaled[top : top + _ROWS] = table.take(
            stored.reshape(shape)[top : top + _ROWS], mode="clip"
        )
    return Image.fromarray(scaled[..., 0] if shape[2] == 1 else scaled)


def to_rgb(image: Image.Image, data: bytes) -> Image.Image:
    """A decoded image, and the file it comes from -> RGB, composited onto white.

    Raises:
        PhotoError: the values of the pixels have no fixed white.
    """
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        image = _checked_tiff(image)
    elif image.format == "PNG":
        image = _with_exact_transparency(image, data)
    elif image.format == "GIF":
        image = _on_its_canvas(image)
    elif (
        image.format == "BMP"
        and image.mode == "RGBA"
        and image.getchannel("A").getextrema() == (0, 0)
    ):
        image = image.convert("RGB")  # the fourth byte is unused
    if image.mode.startswith("I;16") or image.mode == "I":
        image = _from_16_bit(image)
    elif image.mode == "F":
        raise PhotoError("floating-point pixels are not supported, as they have no fixed white")
    elif image.mode == "La":
        image = image.convert("LA")  # Pillow converts premultiplied grey to nothing else
    if image.has_transparency_data:
        front = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", front.size, "white"), front)
    return image if image.mode == "RGB" else image.convert("RGB")


def _checked_tiff(image: TiffImagePlugin.TiffImageFile) -> Image.Image:
    tags = image.tag_v2
    bits = max(tags.get(BITSPERSAMPLE, (1,)))
    if _SIGNED in tags.get(SAMPLEFORMAT, (1,)) and bits < 32:
        raise _no_white()
    if tags.get(_INK_SET) == _OTHER_INKS:
        raise PhotoError("other inks than CMYK are not supported")
    if PHOTOMETRIC_INTERPRETATION not in tags and image.mode in ("1", "L"):
        if tags.get(COMPRESSION) not in (2, 3, 4):  # only in a fax, zero is white by default
            return ImageOps.invert(image.convert("L"))
    elif image.mode in ("P", "PA") and max(palette := tags.get(COLORMAP, (256,))) < 256:
        # Values of 8 bits where the format has 16, which libtiff recognizes in the same way.
        colours = np.array(palette, np.uint8).reshape(3, -1).T
        image.putpalette(colours.tobytes())
    if not image.mode.startswith("I;16"):
        return image
    values = np.asarray(image).astype(np.uint16)
    if bits == 12:
        return Image.fromarray(np.round(values * (255 / 4095)).astype(np.uint8))
    if tags.get(PHOTOMETRIC_INTERPRETATION) == _WHITE_IS_ZERO:
        return Image.fromarray(65535 - values)
    return image


def _with_exact_transparency(image: Image.Image, data: bytes) -> Image.Image:
    """The transparent colour of a PNG has the bits of the file's samples, not of Pillow's."""
    clear, bits = image.info.get("transparency"), data[24]
    if isinstance(clear, int) and image.mode == "L":
        most = 2**bits - 1
        image.info["transparency"] = (clear & most) * 255 // most
    elif isinstance(clear, tuple) and bits == 8:
        image.info["transparency"] = tuple(value & 255 for value in clear)
    elif isinstance(clear, tuple) and bits == 16:
        # Pillow keeps the upper bytes of the samples only: read the lower ones as if upper.
        with Image.open(BoundedFile(data), formats=["PNG"]) as lower:
            assert isinstance(lower, ImageFile.ImageFile)
            lower.tile = [tile._replace(args="RGB;16L") for tile in lower.tile]
            low = np.asarray(lower)
        high = np.asarray(image)
        wanted = np.array(clear, np.uint16)
        seen = ((high == wanted >> 8) & (low == wanted & 255)).all(axis=2)
        image = Image.fromarray(np.where(seen[..., None], np.uint8(255), high))
    return image


def _on_its_canvas(image: Image.Image) -> Image.Image:
    """A first frame of a GIF that is smaller than the picture is surrounded by nothing."""
    box = getattr(image, "dispose_extent", None)
    if box in (None, (0, 0, *image.size)) or "transparency" in image.info:
        return image
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(image.crop(box).convert("RGB"), box)
    return canvas


def _from_16_bit(image: Image.Image) -> Image.Image:
    """16-bit grey -> 8-bit grey. Pillow's conversion would clip at 255 instead of scaling."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise _no_white()
    grey = (values // 257).astype(np.uint8)
    grey[values == image.info.get("transparency", -1)] = 255
    return Image.fromarray(grey)


def _no_white() -> PhotoError:
    return PhotoError("signed or 32-bit pixels are not supported, as they have no fixed white")
