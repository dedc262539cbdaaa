"""`fruits doctor` looks at the same photos as runs do."""

from pathlib import Path

import boto3
import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from photos import save

from fruits.cli.doctor import _photos, _results
from fruits.doctor import bucket, disk
from fruits.doctor.check import Problem, Row, run
from fruits.photos.listing import list_photos
from fruits.storage import open_folder


def listed(address: str, system_files: str = "skip") -> list[Row]:
    return list(run(_photos(address, system_files, [])))


def put(name: str, *keys: str) -> None:
    client = boto3.client("s3")
    for key in keys:
        client.put_object(Bucket=name, Key=key, Body=b"x")


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    save(tmp_path / "elsewhere", "a.png")
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "again").symlink_to(photos)
    with pytest.raises(Problem, match="no photos"):
        disk.list_photos(photos, "skip")
    (photos / "Kiwi").symlink_to(tmp_path / "elsewhere")
    assert disk.list_photos(photos, "skip") == "photos such as Kiwi/a.png"
    assert disk.read_photo(photos, "skip") == "Kiwi/a.png"


@pytest.mark.parametrize("path", [".thumbnails/a.png", "@eaDir/a.png", "Kiwi/._a.png"])
def test_files_of_systems_are_skipped_as_runs_do(tmp_path: Path, s3: str, path: str) -> None:
    folder, _, name = path.rpartition("/")
    save(tmp_path / folder, name)
    put(s3, path)
    for address in (str(tmp_path), f"s3://{s3}"):
        for system_files in ("skip", "include"):
            photos = list_photos(open_folder(address), system_files=system_files).table
            listing = listed(address, system_files)[1]
            assert listing.state == ("passed" if len(photos) else "failed")


def test_a_hidden_folder_itself_may_have_photos(tmp_path: Path, s3: str) -> None:
    save(tmp_path / ".mine", "a.png")
    put(s3, ".mine/a.png")
    for address in (f"{tmp_path}/.mine", f"s3://{s3}/.mine"):
        assert [row.state for row in listed(address)] == ["passed"] * 3


def test_photos_after_the_first_page_are_found(s3: str) -> None:
    store = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]  # faster than 1,002 requests
    for name in (*(f"p/a{i:04}.txt" for i in range(1001)), "p/b.jpg"):
        store.put_object(s3, name, b"x")
    place = bucket.Place(s3, "p/")
    assert bucket.list_photos(place, "skip") == bucket.read_photo(place, "skip") == "b.jpg"


def test_a_long_search_is_given_up_with_a_warning(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put(s3, "a.txt", "b.jpg")
    monkeypatch.setattr(bucket, "_LISTING_S", -1)
    with pytest.raises(Problem, match="no photo among the first 1 objects") as raised:
        bucket.list_photos(bucket.Place(s3, ""), "skip")
    assert not raised.value.serious


@pytest.mark.parametrize("prefix", ["", "p", "p/", "p//", "/p", "//p/"])
@pytest.mark.parametrize("scheme", ["s3", "s3a"])
def test_addresses_in_s3_mean_what_they_mean_to_runs(s3: str, scheme: str, prefix: str) -> None:
    address = f"{scheme}://{s3}/{prefix}"
    place, folder = bucket.place_at(address), open_folder(address)
    assert place is not None
    folder.write("Kiwi/a.jpg", b"x")
    assert bucket.list_photos(place, "skip") == "Kiwi/a.jpg"


@pytest.mark.parametrize("address", ["s3://", "s3:///p", "ftp://x", ""])
def test_addresses_of_no_place_are_rows(address: str) -> None:
    rows = [*listed(address), *run(_results(address, []))]
    assert {row.state for row in rows} == {"failed"}


def test_file_addresses_are_folders(tmp_path: Path) -> None:
    save(tmp_path, "a.png")
    assert [row.state for row in listed(f"file://{tmp_path}")] == ["passed"] * 3


def test_writing_in_s3_may_take_longer_than_reading() -> None:
    limits = {check.name: check.timeout_s for check in _results("s3://b/p", [])}
    assert limits["results: write"] >= 60 > limits["results: list"]
