"""What a file is that can't be decoded, in words."""

import io
import re
from collections.abc import Callable

from PIL import Image

from fruits.photos import tiff

UNKNOWN = "the file is not an image, or its format is not supported"
RAW = "a camera's raw file, of which only the preview could be read: convert it to JPEG or TIFF"
_KINDS: tuple[tuple[bytes, str], ...] = (
    (rb"version https://git-lfs", "a Git LFS pointer; run `git lfs pull` to download the photo"),
    (rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype html|html|head|body)", "an HTML page, not a photo"),
    (
        rb"(?:\xef\xbb\xbf)?\s*(?:<(?:\?xml|!doctype svg|!--)[^>]*>\s*)*<svg",
        "an SVG drawing",
    ),
    (rb"(?:\xef\xbb\xbf)?\s*<\?xml", "an XML file"),
    (rb"%PDF-", "a PDF document"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript file"),
    (rb"PK\x03\x04.{2}[\x01\x03\x05\x07\x09]", "an encrypted ZIP archive or document"),
    (rb"PK[\x03\x05]", "a ZIP archive or a document"),
    (rb"\x1f\x8b|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd|Rar!|7z\xbc\xaf", "a compressed archive"),
    (rb".{257}ustar", "a tar archive"),
    (rb"-----BEGIN PGP|Salted__|age-encryption\.org|\x85[\x01-\x04].{1}\x03", "an encrypted file"),
    (rb"\x00\x00\x00\x0cjP  |\xff\x4f\xff\x51", "JPEG 2000; convert it to JPEG or PNG"),
    (rb"\x00\x00\x00\x0cJXL |\xff\x0a", "JPEG XL; convert it to JPEG or PNG"),
    (rb"\xff\xd8\xff\xf7", "JPEG-LS; convert it to JPEG or PNG"),
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
    (rb"\x05\x16\x07", "macOS metadata of another file"),
    (rb"\x00{16}", "nothing but zeros at its start, as of a failed copy"),
    (rb"\s*[\[{]\s*[\"\[{\]}]", "JSON"),
)
_MAGIC = (
    ("JPEG", b"\xff\xd8"),
    ("PNG", b"\x89PNG"),
    ("GIF", b"GIF8"),
    ("TIFF", b"II*\0"),
    ("TIFF", b"MM\0*"),
    ("TIFF", b"II+\0"),
    ("TIFF", b"MM\0+"),
    ("BMP", b"BM"),
)


def not_identified(data: bytes) -> str:
    """The reason why no decoder took this file."""
    for pattern, words in _KINDS:
        if re.match(pattern, data[:1024], re.DOTALL | re.IGNORECASE):
            return f"{UNKNOWN}: it is {words}"
    for name, magic in _MAGIC:
        if data.startswith(magic):
            return _refused_by(name, data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _refused_by("WEBP", data)
    if data[4:8] == b"ftyp":
        return _refused_by("AVIF" if data[8:11] == b"avi" else "HEIF", data)
    head = data[:1024]
    if not re.search(rb"[\x00-\x08\x0e-\x1a\x7f]", head) and _is_text(head):
        return f"{UNKNOWN}: it is text"
    return UNKNOWN


def _is_text(head: bytes) -> bool:
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4  # cut in the middle of a character
    return True


def _refused_by(name: str, data: bytes) -> str:
    """The reason of one decoder, which Pillow drops when it has tried them all."""
    Image.preinit()
    factory: Callable[..., Image.Image] = Image.OPEN[name][0]
    try:
        factory(io.BytesIO(data), "").close()
    except Exception as error:
        return f"a {name} that is damaged, or of a kind that is not supported ({words(error)})"
    return f"a {name} that is damaged"


def damaged(data: bytes, error: Exception) -> str:
    """The reason why a file that a decoder took could not be decoded."""
    if data[12:16] == b"CgBI":
        return "Apple's own variant of PNG (CgBI) is not supported; convert it to PNG"
    how = tiff.layout(data)
    if how is not None:
        for directory in tiff.directories(data, how):
            compression = tiff.numbers(data, how, directory[259]) if 259 in directory else (1,)
            if compression and compression[0] not in _COMPRESSIONS:
                return f"compression {compression[0]} of TIFF is not supported"
            break
    if data[:4] == b"RIFF" and 8 + int.from_bytes(data[4:8], "little") > len(data):
        return f"the file is truncated ({words(error)})"
    return f"the file is damaged or truncated ({words(error)})"


_COMPRESSIONS = frozenset({1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32809, 32946, 34925, 50000})


def words(error: Exception) -> str:
    """The message of a decoder's error, as one short line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
