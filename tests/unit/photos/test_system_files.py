"""What systems and programs leave among photos is skipped, on disk and in a bucket."""

from collections.abc import Callable
from pathlib import Path

import pytest
from command import fruits

from fruits.photos.listing import Listing, list_photos
from fruits.storage import open_folder

Place = Callable[..., str]

LITTER = {
    ".hidden.jpg": "hidden",
    ".ipynb_checkpoints/a-checkpoint.jpg": "hidden",
    "Apple/.ipynb_checkpoints/a-checkpoint.jpg": "hidden",
    ".git/a.jpg": "hidden",
    ".stversions/Apple/a.jpg": "hidden",
    "Apple/._a.jpg": "AppleDouble",
    "__MACOSX/Apple/._a.jpg": "AppleDouble",
    "Apple/.AppleDouble/a.jpg": "AppleDouble",
    "$RECYCLE.BIN/S-1-5-21/$RABC.jpg": "trash",
    "RECYCLER/S-1-5-21/Dc1.jpg": "trash",
    ".Trash-1000/files/a.jpg": "trash",
    ".Trashes/501/a.jpg": "hidden",
    "Apple/.trashed-1700000000-a.jpg": "trash",
    "#recycle/Apple/a.jpg": "trash",
    "@Recycle/Apple/a.jpg": "trash",
    "Network Trash Folder/a.jpg": "trash",
    "Apple/@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg": "thumbnails",
    "Apple/.@__thumb/default_a.jpg": "thumbnails",
    ".thumbnails/normal/a.png": "thumbnails",
    "Fruit Previews.lrdata/0/a.jpg": "thumbnails",
    "#snapshot/daily.0/Apple/a.jpg": "snapshots",
    ".snapshot/hourly.0/Apple/a.jpg": "snapshots",
    ".zfs/snapshot/a/Apple/a.jpg": "snapshots",
    "System Volume Information/a.jpg": "system",
    "lost+found/a.jpg": "system",
    "FOUND.000/a.jpg": "system",
}
PHOTOS = [
    "Apple/a.jpg",
    "Recycled/b.jpg",
    "Trash/c.jpg",
    "_Other/d.jpg",
    "thumbnails/e.jpg",
    "@home/f.jpg",
    "#1/g.jpg",
    "Apple/found.001.jpg",
]


@pytest.fixture(params=["disk", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Puts files into a folder or a bucket, and returns its address."""
    bucket = request.getfixturevalue("s3") if request.param == "bucket" else None

    def put(*names: str) -> str:
        address = f"s3://{bucket}/.photos" if bucket else str(tmp_path / ".photos")
        for name in names:
            open_folder(address).write(name, b"x")
        return address

    return put


def listing(address: str, system_files: str = "skip") -> Listing:
    return list_photos(open_folder(address), system_files=system_files)


def test_only_the_users_photos_are_listed(place: Place) -> None:
    address = place(*PHOTOS, *LITTER)
    listed = listing(address)
    assert listed.table["path"].to_pylist() == sorted(PHOTOS)
    assert set(listed.table["label"].to_pylist()) == {name.partition("/")[0] for name in PHOTOS}


@pytest.mark.parametrize("name", LITTER)
def test_each_kind_is_counted_by_its_outermost_folder(place: Place, name: str) -> None:
    address = place("Apple/photo.jpg", name, f"{name}2.jpg")
    listed = listing(address)
    assert listed.table["path"].to_pylist()[:1] == ["Apple/photo.jpg"]
    assert LITTER[name] in listed.skipped_by_kind
    for row in listed.skipped.to_pylist():
        assert name.startswith(row["path"]) or f"{name}2.jpg" == row["path"]


def test_a_skipped_folder_counts_once(place: Place) -> None:
    address = place("a.jpg", *(f"@eaDir/{i}.jpg/thumb.jpg" for i in range(30)), "@eaDir/x.txt")
    assert listing(address).skipped_by_kind == {"thumbnails": 1}


def test_other_files_of_systems_are_counted_as_files_that_are_not_photos(place: Place) -> None:
    listed = listing(place("a.jpg", ".DS_Store", "Apple/Thumbs.db", "desktop.ini"))
    assert (listed.ignored, listed.skipped_by_kind) == (3, {})


def test_a_setting_includes_them(place: Place) -> None:
    listed = listing(place(*PHOTOS, *LITTER), "include")
    assert listed.table["path"].to_pylist() == sorted([*PHOTOS, *LITTER])
    assert listed.skipped_by_kind == {}


def test_skipped_files_are_listed_on_request(tmp_path: Path) -> None:
    for name in ("Apple/a.jpg", "Apple/._a.jpg", "@eaDir/b.jpg"):
        open_folder(tmp_path).write(name, b"x")
    counted = fruits("labels", str(tmp_path))
    assert "Skipped 2 files and folders of systems: 1 AppleDouble, 1 thumbnails" in counted.stdout
    listed = fruits("labels", str(tmp_path), "--skipped")
    assert listed.stdout.splitlines() == ["thumbnails  @eaDir", "AppleDouble  Apple/._a.jpg"]
    included = fruits("labels", str(tmp_path), "--system-files", "include")
    assert "3 photos" in included.stdout
