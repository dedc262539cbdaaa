"""The reason for which a file is rejected says what the file is."""

import struct

import pytest
from photos import encoded
from pictures import chunk, tiff_of
from PIL import Image

from fruits.errors import PhotoError
from fruits.photos.decode import prepare

MANY = 10**6
RED = Image.new("RGB", (60, 40), "red")
JPEG = encoded(RED)
RAW = "a camera's raw file"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "run `git lfs pull`"),
        (b"\n<!DOCTYPE html><html><title>404</title>", "an HTML page"),
        (b"\xef\xbb\xbf<HTML>", "an HTML page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "an XML file"),
        (b"<?xml version='1.0'?>\n<!-- made by hand -->\n<svg/>", "an SVG drawing"),
        (b'{"message": "Not found"}', "JSON"),
        ("Des pommes, pas une photo.\n« é »".encode(), "text"),
        (encoded(RED, "PDF"), "a PDF document"),
        (encoded(RED, "EPS"), "a PostScript file"),
        (encoded(RED, "JPEG2000"), "JPEG 2000"),
        (encoded(RED, "ICO"), "an icon"),
        (b"PK\3\4\x14\0\0\0\x08\0" + bytes(30), "a ZIP archive"),
        (b"PK\3\4\x14\0\1\0\x08\0" + bytes(30), "an encrypted ZIP archive"),
        (b"-----BEGIN PGP MESSAGE-----\n", "an encrypted file"),
        (b"\x1f\x8b\x08" + bytes(30), "a compressed archive"),
        (b"\0\0\0\x20ftypisom\0\0\2\0isom" + bytes(30), "a video"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0", "a video"),
        (b"8BPS\0\1" + bytes(30), "a Photoshop document"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (bytes(1000), "nothing but zeros at its start"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx " + bytes(30), RAW),
        (b"FUJIFILMCCD-RAW 0201" + JPEG, RAW),
        (b"IIU\0\x18\0\0\0" + JPEG, RAW),
    ],
)
def test_a_file_that_is_no_photo(data: bytes, reason: str) -> None:
    with pytest.raises(PhotoError, match="not an image, or its format is not supported") as error:
        prepare(data, MANY)
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def raw(sub_directory: dict[int, int], **tags: int) -> bytes:
    """A preview as the first picture of a TIFF, and a directory below it, as cameras write it."""
    preview = tiff_of(
        {277: 3, 258: (8, 8, 8), 262: 2, 330: 0, **{int(k[1:]): v for k, v in tags.items()}},
        RED.tobytes(),
    )
    at = preview.index(struct.pack("<HHI", 330, 3, 1))
    entry = struct.pack("<HHII", 330, 4, 1, len(preview))
    below = b"".join(struct.pack("<HHIHH", t, 3, 1, v, 0) for t, v in sub_directory.items())
    return (
        preview[:at]
        + entry
        + preview[at + 12 :]
        + struct.pack("<H", len(sub_directory))
        + below
        + bytes(4)
    )


@pytest.mark.parametrize(
    "data",
    [
        raw({262: 32803}),
        raw({256: 6000, 262: 34892}),
        raw({256: 6000}, t50706=1),
        b"II*\0\x10\0\0\0CR\2\0" + encoded(RED, "TIFF"),
    ],
    ids=["NEF", "linear DNG", "DNG", "CR2"],
)
def test_preview_of_a_raw_file_is_not_taken_for_the_photo(data: bytes) -> None:
    with pytest.raises(PhotoError, match=RAW):
        prepare(data, MANY)


def test_tiff_with_a_smaller_picture_below_it_is_no_raw_file() -> None:
    assert prepare(raw({256: 30, 262: 2}), MANY).shape == (224, 224, 3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (JPEG[:3], "a JPEG that is damaged, or of an unsupported kind"),
        (JPEG[:100], "truncated"),
        (JPEG[: len(JPEG) - 100], "truncated"),
        (JPEG.replace(b"\xff\xc0\0\x11\x08", b"\xff\xc0\0\x11\x0c"), "12-bit layers"),
        (encoded(RED, "WEBP")[:-20], "truncated"),
        (encoded(RED, "AVIF")[:-20], "[Tt]runcated"),
        (encoded(RED, "BMP")[:-20], "truncated"),
        (encoded(RED, "TIFF")[:-20], "truncated"),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"CgBI", bytes(4)) + encoded(RED, "PNG")[8:-30], "Apple"),
        (b"GIF89a", "a GIF that is damaged, or of an unsupported kind \\(it ends too early\\)"),
    ],
)
def test_a_damaged_photo_or_an_unsupported_kind(data: bytes, reason: str) -> None:
    with pytest.raises(PhotoError, match=reason) as error:
        prepare(data, MANY)
    assert "not an image" not in str(error.value)
    assert "\n" not in str(error.value)


def test_content_decides_not_the_name() -> None:
    for kind in ("PNG", "GIF", "BMP", "WEBP", "TIFF"):
        assert prepare(encoded(RED, kind), MANY).shape == (224, 224, 3)
