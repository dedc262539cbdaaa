"""The bytes of a photo -> the input array of MobileNetV2.

For upright RGB photos, the result equals that of Keras'
`preprocess_input(img_to_array(load_img(path, target_size=(224, 224), interpolation="bicubic")))`,
except for large JPEGs, which are decoded at a half, a quarter or an eighth of their size (see
`DECODINGS`): the discrete cosine transform of JPEG allows skipping detail that is not visible at
224 pixels, in a fraction of the time.
"""

import contextlib
import io
import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pi_heif import register_heif_opener
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile  # also the base of MpoImageFile

from fruits.errors import PhotoError, PhotoTooLarge
from fruits.photos import colours, jpeg, reasons, repair, tiff

SIZE = 224
"""Width and height of the model's input, in pixels."""
VIEWS = 6
"""Number of views that `prepare_views` supports: the whole photo, its corners and its centre."""
_CROP = 0.75
"""The side of the cropped views, as a share of the photo's side. See docs/recognition.md for
results with other values."""


class Decoding(NamedTuple):
    """A rule for decoding large JPEGs. docs/recognition.md has the cost and accuracy of each."""

    least: float | None
    """A photo is decoded at the smallest size of which both sides are at least this multiple of
    the input size; None: at full size."""
    compensated: bool
    """Whether to correct what decoding at a smaller size does to a photo: it is padded to whole
    blocks, and blurred."""


DECODINGS = {
    "fast": Decoding(1.5, compensated=True),
    "scaled": Decoding(2, compensated=False),
    "exact": Decoding(None, compensated=False),
}
"""The rules by the values of the setting `decode`."""
DEFAULT_DECODING = "fast"
_SHARPENING = 0.5
"""The share of the blur that is undone: undoing all of it would amplify aliases."""
_THUMBNAIL = 2
"""Thumbnails are decoded at no less than this multiple of their size."""
MAX_BYTES = 512 * 2**20
"""Larger files are rejected without reading them, so that they can't exhaust memory."""

# JPEG includes MPO, which many phones write to .jpg files: a JPEG followed by a second image.
# Not among them, though Pillow reads them: JPEG 2000 (2 GB and 15 s at 99 megapixels, and other
# colour spaces taken for RGB) and TGA (which has no signature: any file could be one).
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "HEIF", "PPM")
# The format of iPhones, which Pillow alone can't read.
register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


def prepare(data: bytes, max_pixels: int, decode: str = DEFAULT_DECODING) -> NDArray[np.float32]:
    """A photo's bytes -> float32[224, 224, 3] in [-1, 1], as MobileNetV2's `preprocess_input`.

    `decode` is a key of `DECODINGS`.

    Raises:
        PhotoError: the bytes are not a usable image; the message says why.
    """
    whole: NDArray[np.float32] = prepare_views(data, max_pixels, 1, decode)[0]
    return whole


def prepare_views(
    data: bytes, max_pixels: int, views: int, decode: str = DEFAULT_DECODING
) -> NDArray[np.float32]:
    """A photo's bytes -> float32[views, 224, 224, 3] in [-1, 1]; the first view is the whole photo.

    Raises:
        PhotoError: as `prepare`.
    """
    least, compensated = DECODINGS[decode]
    needed = SIZE if views == 1 else math.ceil(SIZE / _CROP)
    picture = _picture(data, max_pixels, math.ceil(least * needed) if least else None)
    left, top, right, bottom = picture.box if compensated else (0, 0, *picture.image.size)
    width, height = right - left, bottom - top
    x, y = left + (1 - _CROP) * width, top + (1 - _CROP) * height
    corners = [(left, top), (x, top), (left, y), (x, y), ((left + x) / 2, (top + y) / 2)]
    boxes = [(x, y, x + _CROP * width, y + _CROP * height) for x, y in corners]
    size, bicubic = (SIZE, SIZE), Image.Resampling.BICUBIC
    prepared = np.empty((views, SIZE, SIZE, 3), np.float32)
    for view, box in zip(prepared, [(left, top, right, bottom), *boxes], strict=False):
        pixels = np.asarray(picture.image.resize(size, bicubic, box=box))
        np.divide(pixels, np.float32(127.5), out=view)
    prepared -= np.float32(1)
    if compensated and picture.is_scaled:
        _sharpen(prepared[:1], width, height)
        if views > 1:
            _sharpen(prepared[1:], _CROP * width, _CROP * height)
    return prepared


def _sharpen(views: NDArray[np.float32], width: float, height: float) -> None:
    """Sharpens, in place, what was resized from `width` x `height` pixels of a scaled photo.

    Each of these pixels is the mean over its area, which attenuates a wave of f cycles per pixel
    of the view by sinc(f w), where w is their width in pixels of the view. The filter
    (-a, 1 + 2a, -a) amplifies it by 1 + 2a (1 - cos(2 pi f)): at the highest frequency, f = 1/2,
    by 1 + 4a.
    """
    for axis, side in ((1, height), (2, width)):
        a = np.float32(_SHARPENING * (1 / np.sinc(SIZE / side / 2) - 1) / 4)
        along = np.moveaxis(views, axis, 0)
        # What is beyond an edge equals the edge.
        steps = np.diff(along, axis=0)
        steps *= a
        along[1:] += steps
        along[:-1] -= steps
    np.clip(views, -1, 1, out=views)


def thumbnail(data: bytes, side: int, max_pixels: int, quality: int = 80) -> bytes:
    """A photo's bytes -> a JPEG of its central square, `side` pixels wide, without metadata.

    Raises:
        PhotoError: as `prepare`.
    """
    out = io.BytesIO()
    picture = ImageOps.fit(rgb(data, max_pixels, _THUMBNAIL * side), (side, side))
    picture.info.clear()  # otherwise Pillow would write the photo's comment
    picture.save(out, "JPEG", quality=quality, optimize=True)
    return out.getvalue()


def rgb(data: bytes, max_pixels: int, at_least: int | None = None) -> Image.Image:
    """A photo's bytes -> an upright RGB image: the first frame, composited onto white.

    With `at_least`, a JPEG is decoded at a half, a quarter or an eighth of its size, as long as
    both sides keep at least this many pixels. None means full size.

    Raises:
        PhotoError: as `prepare`.
    """
    return _picture(data, max_pixels, at_least).image


@dataclass(frozen=True)
class _Picture:
    """An upright RGB image."""

    image: Image.Image
    box: Sequence[float]
    """Left, top, right and bottom of the photo in it: in a scaled JPEG, the outermost pixels may
    also show what pads its last blocks."""
    is_scaled: bool

    def turned(self, orientation: int) -> "_Picture":
        """Upright, if it had this EXIF orientation before."""
        turn = _TURNS.get(orientation)
        if turn is None:
            return self
        image = self.image.transpose(turn)
        left, top, right, bottom = self.box
        right, bottom = self.image.width - right, self.image.height - bottom
        # The margins turn like a picture of them.
        margins = np.array([[0, top, 0], [left, 0, right], [0, bottom, 0]], np.float32)
        margins = np.asarray(Image.fromarray(margins).transpose(turn))
        left, top = float(margins[1, 0]), float(margins[0, 1])
        right, bottom = image.width - float(margins[1, 2]), image.height - float(margins[2, 1])
        return _Picture(image, (left, top, right, bottom), self.is_scaled)


def _picture(data: bytes, max_pixels: int, at_least: int | None) -> _Picture:
    """As `rgb`."""
    if not data:
        raise PhotoError("the file is empty")
    if tiff.is_raw(data):
        raise PhotoError(f"the file is {reasons.RAW}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # conditions that Pillow warns about are handled below
        Image.MAX_IMAGE_PIXELS = max_pixels
        ways = (_salvaged, _decoded) if repair.is_misread(data) else (_decoded, _salvaged)
        try:
            return ways[0](data, max_pixels, at_least)
        except _Damaged as error:
            with contextlib.suppress(_Damaged):
                return ways[1](data, max_pixels, at_least)
            raise PhotoError(str(error)) from None


class _Damaged(PhotoError):
    """Pillow can't decode a file; perhaps it can without a part that nobody needs."""


def _decoded(data: bytes, max_pixels: int, at_least: int | None) -> _Picture:
    image = _opened(data, max_pixels)
    if image.width * image.height > max_pixels:
        size = f"{image.width} x {image.height} pixels"
        raise PhotoTooLarge(f"{size} are more than {max_pixels / 1e6:g} megapixels")
    if isinstance(image, JpegImageFile) and jpeg.has_many_scans(data):
        raise PhotoError(f"the file has more than {jpeg.MOST_SCANS} scans, which take too long")
    if repair.is_padded(data):
        raise _Damaged("the file is truncated (zeros follow instead of the picture's end)")
    try:
        full = image.size
        if at_least and isinstance(image, JpegImageFile):
            drafted = image.draft(None, (at_least, at_least))
            # The decoder is slower near the end of what it is given, by default 64 KB at a time.
            image.decodermaxblock = len(data)
        else:
            drafted = None
        image = colours.loaded(image, data)
        box = drafted[1] if drafted else (0, 0, *image.size)
        is_scaled = drafted is not None and image.size != full
        picture = _Picture(colours.to_rgb(image, data), box, is_scaled)
        return picture.turned(_orientation(image, data))
    except PhotoError:
        raise
    except Exception as error:
        raise _Damaged(reasons.damaged(data, error)) from None


def _opened(data: bytes, max_pixels: int) -> Image.Image:
    try:
        if repair.is_heic(data):
            data = repair.without_metadata(data)
        return colours.opened(data, _FORMATS)
    except PhotoError:
        raise
    except UnidentifiedImageError:
        raise _Damaged(reasons.not_identified(data)) from None
    except Image.DecompressionBombError:
        raise PhotoTooLarge(f"more than {max_pixels / 1e6:g} megapixels") from None
    except Exception as error:  # decoders raise struct.error, SyntaxError, KeyError…
        raise _Damaged(reasons.damaged(data, error)) from None


def _salvaged(data: bytes, max_pixels: int, at_least: int | None) -> _Picture:
    """As `_decoded`, without metadata and other parts that the picture doesn't need."""
    try:
        clean = repair.repaired(data, max_pixels)
    except Exception as error:  # damage that is not foreseen there
        raise _Damaged(reasons.damaged(data, error)) from None
    if clean is None:
        raise _Damaged("the file is damaged or truncated (its picture is not complete)")
    return _decoded(clean, max_pixels, at_least).turned(repair.orientation(data))


_TIFF = re.compile(rb"II\*\0|MM\0\*")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by its EXIF orientation."""


def _orientation(image: Image.Image, data: bytes) -> int:
    """The EXIF orientation; 1 if EXIF is unreadable."""
    if image.format == "AVIF":
        image.info.pop("xmp", None)  # the rotation is in the container, and already in EXIF
    try:
        found = image.getexif().get(ExifTags.Base.Orientation)
    except Exception:
        found = None
    exif = image.info.get("exif")
    if found is None and exif and not _TIFF.search(exif, 0, 16):
        return repair.orientation(data)  # in another, readable block
    return found if isinstance(found, int) else 1
