"""What results keep of photos: no metadata, and no pixels except for the report's thumbnails."""

import io
import re
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from classified import SETTINGS
from PIL import ExifTags, Image, PngImagePlugin
from places import SAMPLES

from fruits import classify, pipeline
from fruits.progress import Silent

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PERSONAL = "Ada Lovelace, 48.8584 N 2.2945 E"  # in every field of a photo that can hold a text
IMAGES = (b"\xff\xd8\xff\xe0\x00\x10JFIF", b"\x89PNG\r\n\x1a\n", b"WEBPVP8")


@pytest.fixture(scope="module")
def results(spark: "SparkSession", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of photos with metadata, and of two files that are rejected, one of them cut."""
    home = tmp_path_factory.mktemp("personal")
    for kind in ("Banana", "Kiwi", "Lime"):
        folder = home / "photos" / kind
        folder.mkdir(parents=True)
        for source in sorted((SAMPLES / kind).glob("*.jpg")):
            _save_with_metadata(source, folder / source.name)
    _save_with_metadata(source, folder / "picture.png")
    whole = (folder / source.name).read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: whole.index(PERSONAL.encode()) + 100])
    (folder / "text.jpg").write_text(PERSONAL)
    target = str(home / "results")
    pipeline.run(spark, str(home / "photos"), target, SETTINGS, Silent())
    classify.train(spark, target, SETTINGS, progress=Silent())
    return home / "results"


def _save_with_metadata(source: Path, target: Path) -> None:
    """Save a photo with PERSONAL in EXIF, GPS, XMP, a comment and text chunks."""
    picture = Image.open(source)
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = PERSONAL
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = PERSONAL.encode()
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSProcessingMethod] = PERSONAL.encode()
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("Comment", PERSONAL)
    xmp = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{PERSONAL}</x:xmpmeta>".encode()
    options: dict[str, Any] = {"exif": exif, "xmp": xmp, "comment": PERSONAL, "pnginfo": chunks}
    picture.save(target, **options)
    assert target.read_bytes().count(PERSONAL.encode()) >= 3


def _tables(results: Path) -> Iterator[tuple[Path, Any]]:
    for file in results.rglob("*.parquet"):
        yield file, pq.read_table(file)


def _thumbnails(text: str) -> list[bytes]:
    return [b64decode(data) for data in re.findall(r"base64,([A-Za-z0-9+/=]{100,})", text)]


def test_no_file_of_the_results_contains_metadata(results: Path) -> None:
    for file in results.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert PERSONAL.encode() not in data, file
            assert "Lovelace".encode("utf-16-le") not in data, file
    for file, table in _tables(results):
        for name in table.column_names:
            assert "Lovelace" not in str(table[name].to_pylist()), (file, name)
    rejects = pq.read_table(results / "rejects")["path"].to_pylist()
    assert {path.rpartition("/")[2] for path in rejects} == {"cut.jpg", "text.jpg"}


def test_thumbnails_have_no_metadata(results: Path) -> None:
    thumbnails = _thumbnails((results / "report.html").read_text("utf-8"))
    pictures = [data for data in thumbnails if any(kind in data[:16] for kind in IMAGES)]
    assert pictures
    for data in pictures:
        picture = Image.open(io.BytesIO(data))
        assert not picture.getexif()
        assert not {"xmp", "comment", "Comment", "photoshop"} & set(picture.info)
        assert PERSONAL.encode() not in data


def test_only_the_report_contains_pixels(results: Path) -> None:
    pictures = {
        file.relative_to(results).as_posix()
        for file in results.rglob("*")
        if file.is_file()
        and (any(kind in file.read_bytes() for kind in IMAGES) or _thumbnails(_text(file)))
    }
    assert pictures == {"report.html"}
    for file, table in _tables(results):
        for field in table.schema:
            assert "binary" not in str(field.type), (file, field)
    features = pq.read_table(results / "features")["features"].to_pylist()
    assert {len(row) for row in features} == {1280}


def _text(file: Path) -> str:
    return file.read_text("utf-8", "replace")
