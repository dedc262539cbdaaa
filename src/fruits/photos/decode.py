"""The bytes of a photo -> the input array of MobileNetV2.

For upright RGB photos, the result equals that of Keras'
`preprocess_input(img_to_array(load_img(path, target_size=(224, 224), interpolation="bicubic")))`,
except for large JPEGs, which are decoded at a half, a quarter or an eighth of their size: the
discrete cosine transform of JPEG allows skipping detail that is not visible at 224 pixels, in a
fraction of the time.
"""

import contextlib
import io
import math
import warnings

import numpy as np
from numpy.typing import NDArray
from pi_heif import register_heif_opener
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from fruits.errors import PhotoError, PhotoTooLarge

EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"}
    | {".heic", ".heif"}
)
SIZE = 224
"""Width and height of the model's input, in pixels."""
VIEWS = 6
"""Number of views that `prepare_views` supports: the whole photo, its corners and its centre."""
_CROP = 0.75
"""The side of the cropped views, as a share of the photo's side. See docs/recognition.md for
results with other values."""
_ENOUGH = 2
"""Photos are decoded at no less than this multiple of the input size. See docs/recognition.md for
the cost and accuracy of other values."""
MAX_BYTES = 512 * 2**20
"""Larger files are rejected without reading them, so that they can't exhaust memory."""

# JPEG includes MPO, which many phones write to .jpg files: a JPEG followed by a second image.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "HEIF")
register_heif_opener(thumbnails=False)  # the format of iPhones, which Pillow alone can't read


def is_photo(name: str) -> bool:
    """Whether a file name has an extension of a photo, in upper or lower case."""
    return name[name.rfind(".") :].lower() in EXTENSIONS if "." in name else False


def prepare(data: bytes, max_pixels: int, *, exact: bool = False) -> NDArray[np.float32]:
    """A photo's bytes -> float32[224, 224, 3] in [-1, 1], as MobileNetV2's `preprocess_input`.

    With `exact`, large photos are also decoded at full size.

    Raises:
        PhotoError: the bytes are not a usable image; the message says why.
    """
    whole: NDArray[np.float32] = prepare_views(data, max_pixels, 1, exact=exact)[0]
    return whole


def prepare_views(
    data: bytes, max_pixels: int, views: int, *, exact: bool = False
) -> NDArray[np.float32]:
    """A photo's bytes -> float32[views, 224, 224, 3] in [-1, 1]; the first view is the whole photo.

    Raises:
        PhotoError: as `prepare`.
    """
    needed = SIZE if views == 1 else math.ceil(SIZE / _CROP)
    picture = rgb(data, max_pixels, None if exact else _ENOUGH * needed)
    width, height = picture.size
    right, low = (1 - _CROP) * width, (1 - _CROP) * height
    corners = [(0, 0), (right, 0), (0, low), (right, low), (right / 2, low / 2)]
    boxes = [(x, y, x + _CROP * width, y + _CROP * height) for x, y in corners]
    size, bicubic = (SIZE, SIZE), Image.Resampling.BICUBIC
    pixels = np.stack(
        [np.asarray(picture.resize(size, bicubic, box=box)) for box in [None, *boxes][:views]]
    )
    return pixels.astype(np.float32) / np.float32(127.5) - np.float32(1)


def thumbnail(data: bytes, side: int, max_pixels: int) -> bytes:
    """A photo's bytes -> a JPEG of its central square, `side` pixels wide, without metadata.

    Raises:
        PhotoError: as `prepare`.
    """
    out = io.BytesIO()
    picture = ImageOps.fit(rgb(data, max_pixels, _ENOUGH * side), (side, side))
    picture.info.clear()  # otherwise Pillow would write the photo's comment
    picture.save(out, "JPEG", quality=80)
    return out.getvalue()


def rgb(data: bytes, max_pixels: int, at_least: int | None = None) -> Image.Image:
    """A photo's bytes -> an upright RGB image: the first frame, composited onto white.

    With `at_least`, a JPEG is decoded at a half, a quarter or an eighth of its size, as long as
    both sides keep at least this many pixels. None means full size.

    Raises:
        PhotoError: as `prepare`.
    """
    if not data:
        raise PhotoError("the file is empty")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # conditions that Pillow warns about are handled below
        Image.MAX_IMAGE_PIXELS = max_pixels
        try:
            image = Image.open(io.BytesIO(data), formats=_FORMATS)
        except UnidentifiedImageError:
            raise PhotoError("the file is not an image, or its format is not supported") from None
        except Image.DecompressionBombError:
            raise PhotoTooLarge(f"more than {max_pixels / 1e6:g} megapixels") from None
        except Exception as error:  # decoders raise struct.error, SyntaxError, KeyError…
            raise PhotoError(f"the file is damaged ({_words(error)})") from None
        if image.width * image.height > max_pixels:
            size = f"{image.width} x {image.height} pixels"
            raise PhotoTooLarge(f"{size} are more than {max_pixels / 1e6:g} megapixels")
        try:
            if at_least and image.format in ("JPEG", "MPO"):
                image.draft(None, (at_least, at_least))
            image.load()
            return _to_rgb(_upright(image))
        except PhotoError:
            raise
        except Exception as error:
            raise PhotoError(f"the file is damaged or truncated ({_words(error)})") from None


def _upright(image: Image.Image) -> Image.Image:
    """Rotates an image according to its EXIF orientation; unreadable EXIF is ignored."""
    with contextlib.suppress(Exception):
        if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:  # avoids a copy
            return ImageOps.exif_transpose(image)
    return image


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        image = _from_16_bit(image)
    elif image.mode == "F":
        raise PhotoError("floating-point pixels are not supported, as they have no fixed white")
    if image.has_transparency_data:
        front = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", front.size, "white"), front)
    return image if image.mode == "RGB" else image.convert("RGB")


def _from_16_bit(image: Image.Image) -> Image.Image:
    """16-bit grey -> 8-bit grey. Pillow's conversion would clip at 255 instead of scaling."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise PhotoError("signed or 32-bit pixels are not supported, as they have no fixed white")
    grey = (values // 257).astype(np.uint8)
    grey[values == image.info.get("transparency", -1)] = 255
    return Image.fromarray(grey)


def _words(error: Exception) -> str:
    """The message of a decoder's error, as one short line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
