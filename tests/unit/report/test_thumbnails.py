"""Thumbnails come from the former report, or from the photos."""

import io
import warnings
from collections.abc import Mapping
from pathlib import Path

import pytest
from photos import encoded, save
from PIL import Image
from reports import JPEG, Samples, manifest

from fruits.progress import Count
from fruits.report.render import ReportContent, SamplePhoto, render
from fruits.report.scatter import ScatterPoint
from fruits.report.thumbnails import Photo, in_report, thumbnails

MANY = 10**8
PHOTOS = [Photo(f"{i}.jpg", "a", "1") for i in range(8)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, photo in enumerate(PHOTOS):
        save(tmp_path, photo.path, (30 * number, 0, 0), (300, 200))
    return tmp_path


def found(
    folder: Path | str,
    needed: list[Photo],
    wanted: list[Photo] | None = None,
    former: Mapping[str, bytes] | None = None,
    max_bytes: int = MANY,
) -> dict[str, SamplePhoto]:
    return thumbnails(str(folder), needed, wanted or [], former or {}, MANY, max_bytes, Count())


def kept(photos: Mapping[str, SamplePhoto]) -> dict[str, bytes]:
    """The thumbnails that are found in a report with these photos."""
    points = [ScatterPoint(path, "a", 0, 0) for path in photos]
    first = next(iter(photos.values()))
    content = ReportContent(manifest(), points, {"a": [first]}, {}, pictures=photos)
    return in_report(render(content).encode())


def test_thumbnails_are_small_squares_without_metadata(folder: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a description"
    large = Image.new("RGB", (2000, 1000), "green")
    (folder / "0.jpg").write_bytes(encoded(large, exif=exif, comment=b"a comment"))
    photos = found(folder, PHOTOS)
    assert list(photos) == [photo.path for photo in PHOTOS]
    for number, photo in enumerate(photos.values()):
        picture = Image.open(io.BytesIO(photo.thumbnail))
        assert (picture.format, picture.size) == ("JPEG", (80, 80))
        assert not picture.getexif()
        assert "comment" not in picture.info
        red = picture.convert("RGB").getpixel((40, 40))
        assert isinstance(red, tuple)
        assert number == 0 or red[0] == pytest.approx(30 * number, abs=5)


def test_photos_that_cannot_be_read_are_left_out(folder: Path) -> None:
    (folder / "2.jpg").unlink()
    (folder / "3.jpg").write_bytes(b"not a photo")
    assert set(found(folder, PHOTOS)) == {f"{i}.jpg" for i in (0, 1, 4, 5, 6, 7)}
    assert found(folder / "missing", PHOTOS) == {}


def test_a_report_keeps_the_thumbnails_for_the_next(folder: Path) -> None:
    before = found(folder, PHOTOS)
    assert kept(before) == {photo.key: photo.thumbnail for photo in before.values()}
    for photo in PHOTOS:
        (folder / photo.path).unlink()
    assert found(folder, PHOTOS, former=kept(before)) == before
    assert found(folder / "missing", PHOTOS, former=kept(before)) == before
    elsewhere = found("ftp://not/accessible", PHOTOS, former=kept(before))
    assert elsewhere == before


def test_a_changed_photo_is_read_again(folder: Path) -> None:
    former = kept(found(folder, PHOTOS))
    for photo in PHOTOS:
        save(folder, photo.path, "blue", (300, 200))
    changed = PHOTOS[0]._replace(version="2")
    after = found(folder, [changed, *PHOTOS[1:]], former=former)
    new = [path for path, photo in after.items() if photo.thumbnail not in former.values()]
    assert new == [changed.path]


def test_only_so_many_bytes_are_read(folder: Path) -> None:
    """A second report continues where the first one has stopped."""
    size = (folder / "0.jpg").stat().st_size
    first = found(folder, PHOTOS[:3], PHOTOS[3:], max_bytes=2 * size)
    assert list(first) == [photo.path for photo in PHOTOS[:5]]
    second = found(folder, PHOTOS[:3], PHOTOS[3:], kept(first), max_bytes=2 * size)
    assert list(second) == [photo.path for photo in PHOTOS[:7]]


@pytest.mark.parametrize(
    "name",
    [
        'data-photo="aaaaaaaaaaaaaaaa" src="data:image/jpeg;base64,/9j/AAAA"',
        '{"aaaaaaaaaaaaaaaa": "/9j/AAAA"}',
    ],
)
def test_no_name_passes_for_a_thumbnail(name: str) -> None:
    points = [ScatterPoint(name, name, 0, 0)]
    samples: Samples = {name: [SamplePhoto(name, JPEG, "b" * 16)]}
    content = ReportContent(manifest(photos=name, labels={name: 1}), points, samples, {name: 1})
    assert in_report(render(content).encode()) == {"b" * 16: JPEG}


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"\xff\xfe not a page",
        b'{"aaaaaaaaaaaaaaaa": "/9j/A"}',  # no base64
        b'{"aaaaaaaaaaaaaaaa": "PGh0bWw+"}',  # no JPEG
        b'<img data-photo="aaaaaaaaaaaaaaaa" src="data:image/jpeg;base64,/9j/AAAA',  # truncated
    ],
)
def test_a_damaged_report_has_no_thumbnails(page: bytes) -> None:
    assert in_report(page) == {}


def test_keys_are_of_path_and_version() -> None:
    keys = {Photo(path, None, version).key for path in ("a", "b\udcff") for version in ("1", "2")}
    assert len(keys) == 4
    assert Photo("a", "x", "1").key == Photo("a", None, "1").key


def test_decoding_leaves_the_filters_of_warnings_as_they_were(folder: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        found(folder, PHOTOS)
        assert list(warnings.filters) == before
