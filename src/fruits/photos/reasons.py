"""What a file is that can't be decoded, in words."""

import io
import re
from collections.abc import Callable

from PIL import Image

from fruits.photos import tiff

UNKNOWN = "the file is not an image, or its format is not supported"
RAW = "a camera's raw file, of which only a preview could be read; convert it to JPEG or TIFF"
_KINDS: tuple[tuple[bytes, str], ...] = (
    (rb"version https://git-lfs", "a Git LFS pointer; run `git lfs pull` to download the photo"),
    (rb"(?i)(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|body)", "an HTML page, not a photo"),
    (
        rb"(?i)(?:\xef\xbb\xbf)?\s*(?:<(?:\?xml|!doctype svg|!--)[^>]*>\s*)*<svg",
        "an SVG drawing",
    ),
    (rb"(?:\xef\xbb\xbf)?\s*<\?xml", "an XML file"),
    (rb"%PDF-", "a PDF document"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript file"),
    (rb"PK\x03\x04.{2}[\x01\x03\x05\x07\x09]", "an encrypted ZIP archive or document"),
    (rb"PK[\x03\x05]", "a ZIP archive or a document"),
    (rb"\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd|Rar!|7z\xbc\xaf", "a compressed archive"),
    (rb".{257}ustar", "a tar archive"),
    (rb"-----BEGIN PGP|Salted__|age-encryption\.org", "an encrypted file"),
    (rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51", "JPEG 2000; convert it to JPEG or PNG"),
    (rb"\x00\x00\x00\x0cJXL |\xff\x0a", "JPEG XL; convert it to JPEG or PNG"),
    (rb"\xff\xd8.{,99}?\xff\xf7\x00[\x0b\x11]", "JPEG-LS; convert it to JPEG or PNG"),
    (rb"II\xbc\x01", "JPEG XR; convert it to JPEG or PNG"),
    (rb"8BPS", "a Photoshop document; export it as JPEG or PNG"),
    (rb"gimp xcf", "a GIMP project; export it as JPEG or PNG"),
    (rb"\x00\x00[\x01\x02]\x00[^\x00]", "an icon"),
    (rb"IIR[OS]|MMOR|IIU\x00|FUJIFILM|FOVb|\x00MRM|.{6}HEAPCCDR|.{4}ftypcrx ", RAW),
    (
        rb".{4}(?:ftyp(?!hei|hev|mif|msf|avi|mia|MiH)|moov|mdat|wide|free)"
        rb"|\x1aE\xdf\xa3|RIFF.{4}AVI |\x00\x00\x01[\xb3\xba]",
        "a video",
    ),
    (rb"ID3|\xff[\xfb\xf3\xf2]|OggS|fLaC|RIFF.{4}WAVE", "a sound file"),
    (rb"\x7fELF|MZ", "a program"),
    (rb"\x00\x05\x16\x07", "macOS metadata of another file"),
    (rb"\x00{16}", "nothing but zeros at its start, as of a failed copy"),
    (rb"\s*[\[{]\s*[\"\[{\]}]", "JSON"),
)
_MAGIC = (
    ("JPEG", rb"\xff\xd8"),
    ("PNG", rb"\x89PNG"),
    ("GIF", rb"GIF8"),
    ("TIFF", rb"II[*+]\0|MM\0[*+]"),
    ("BMP", rb"BM"),
    ("WEBP", rb"RIFF.{4}WEBP"),
    ("AVIF", rb".{4}ftypavi"),
    ("HEIF", rb".{4}ftyp"),
)


def not_identified(data: bytes) -> str:
    """The reason why no decoder took this file."""
    for pattern, kind in _KINDS:
        if re.match(pattern, data[:1024], re.DOTALL):
            return f"{UNKNOWN}: it is {kind}"
    compression = _unsupported_compression(data)
    if compression is not None:
        return compression
    for name, magic in _MAGIC:
        if re.match(magic, data, re.DOTALL):
            return _refused_by(name, data)
    head = data[:1024]
    is_text = not re.search(rb"[\x00-\x08\x0e-\x1a\x7f]", head) and _is_text(head)
    return f"{UNKNOWN}: it is text" if is_text else UNKNOWN


def _unsupported_compression(data: bytes) -> str | None:
    number, *_ = tiff.first_numbers(data).get(259) or (1,)
    return None if number in _COMPRESSIONS else f"compression {number} of TIFF is not supported"


def _is_text(head: bytes) -> bool:
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > max(0, len(head) - 4)  # cut in the middle of a character
    return True


def _refused_by(name: str, data: bytes) -> str:
    """The reason of one decoder, which Pillow drops when it has tried them all."""
    Image.preinit()
    factory: Callable[..., Image.Image] = Image.OPEN[name][0]
    try:
        factory(io.BytesIO(data), "").close()
    except Exception as error:
        article = "an" if name == "AVIF" else "a"
        kind = f"{article} {name} that is damaged, or of an unsupported kind"
        return f"the file is {kind} ({words(error)})"
    return f"the {name} is damaged"


def damaged(data: bytes, error: Exception) -> str:
    """The reason why a file that a decoder took could not be decoded."""
    if data[12:16] == b"CgBI":
        return "Apple's own variant of PNG (CgBI) is not supported; convert it to PNG"
    compression = _unsupported_compression(data)
    if compression is not None:
        return compression
    if re.search("unsupported|not supported|cannot handle", str(error), re.IGNORECASE):
        return f"a kind of image that is not supported ({words(error)})"
    if data[:4] == b"RIFF" and 8 + int.from_bytes(data[4:8], "little") > len(data):
        return f"the file is truncated ({words(error)})"
    return f"the file is damaged or truncated ({words(error)})"


_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32809, 32946, 34925, 50000})


def words(error: Exception) -> str:
    """The message of a decoder's error, as one short line."""
    text = " ".join(str(error).split())[:200]
    if re.search("requires a buffer|index out of range", text):
        return "it ends too early"
    return text or type(error).__name__
