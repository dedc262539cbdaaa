"""Folders behave the same on disk and in a bucket."""

import errno
import os
import pickle
import threading
from pathlib import Path

import pytest

from fruits.errors import PhotoError, StorageError
from fruits.photos.listing import list_photos
from fruits.results import open_results
from fruits.storage import Folder, open_folder
from fruits.storage.local import LocalFolder
from fruits.storage.s3_client import s3_client

# On disk and in a bucket ---------------------------------------------------------------------


@pytest.fixture(params=["disk", "bucket"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    """A folder that does not exist yet."""
    if request.param == "disk":
        return open_folder(tmp_path / "my results")
    return open_folder(f"s3://{request.getfixturevalue('s3')}/my results")


def test_written_data_is_read_back(folder: Folder) -> None:
    folder.write("manifest.json", b"1")
    folder.write("features/a b/part 0.parquet", b"2")
    folder.write("empty", b"")
    assert folder.read("manifest.json") == folder.read_if_there("manifest.json") == b"1"
    assert folder.read("features/a b/part 0.parquet") == b"2"
    assert folder.read("empty") == folder.read_if_there("empty") == b""


def test_writing_replaces(folder: Folder) -> None:
    folder.write("manifest.json", b"old, and longer")
    folder.write("manifest.json", b"new")
    assert folder.read("manifest.json") == b"new"
    assert folder.names("") == ["manifest.json"]


@pytest.mark.parametrize("name", ["missing", "features/missing", "manifest.json/below"])
def test_missing_file_is_none_or_a_photo_error(folder: Folder, name: str) -> None:
    folder.write("manifest.json", b"1")
    assert folder.read_if_there(name) is None
    with pytest.raises(PhotoError, match="can't be read"):
        folder.read(name)


def test_names_lists_direct_children(folder: Folder) -> None:
    for name in ("b", "a/2", "a/1", "a/deep/er", "ab/1"):
        folder.write(name, b"")
    assert folder.names("") == ["a", "ab", "b"]
    assert folder.names("a") == folder.names("a/") == ["1", "2", "deep"]
    assert folder.names("missing") == []


def test_delete_removes_only_that_file_or_folder(folder: Folder) -> None:
    for name in ("csv/1", "csv/deep/2", "csv2/1", "csv.json"):
        folder.write(name, b"")
    folder.delete("csv")
    assert folder.names("") == ["csv.json", "csv2"]
    folder.delete("csv.json")
    assert folder.names("") == ["csv2"]
    folder.delete("csv.json")  # deleting a missing file is not an error


def test_move_replaces_the_target_folder(folder: Folder) -> None:
    for name in ("staged/1", "staged/deep/2", "staged2/1", "csv/old", "csv2/1"):
        folder.write(name, name.encode())
    folder.move("staged", "csv")
    assert folder.names("") == ["csv", "csv2", "staged2"]
    assert folder.names("csv") == ["1", "deep"]
    assert folder.read("csv/deep/2") == b"staged/deep/2"


def test_folder_can_be_replaced_by_a_file_and_vice_versa(folder: Folder) -> None:
    folder.write("csv/1", b"1")
    folder.delete("csv")
    folder.write("csv", b"2")
    assert folder.names("csv") == []
    assert folder.read("csv") == b"2"
    folder.write("staged/1", b"3")
    folder.move("staged", "csv")
    assert folder.read("csv/1") == b"3"


def test_check_writable_leaves_no_files(folder: Folder) -> None:
    folder.check_writable()
    assert folder.names("") == []


def test_folder_can_be_pickled(folder: Folder) -> None:
    folder.write("a", b"1")
    again = pickle.loads(pickle.dumps(folder))  # noqa: S301
    assert again == folder
    assert again.read("a") == b"1"


def test_address_and_uri_open_the_same_folder(folder: Folder) -> None:
    assert open_folder(folder.address) == open_folder(f"{folder.address}/") == folder
    assert open_folder(folder.uri()) == folder


def test_uri_is_not_percent_encoded(folder: Folder) -> None:
    assert folder.uri("100% a b/é#?") == folder.uri() + "/100% a b/é#?"
    assert folder.uri().endswith("/my results")
    assert folder.uri().startswith(("file:///", "s3a://"))


# Disk ----------------------------------------------------------------------------------------


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("broken", ["os.fsync", "pathlib.Path.replace"])
def test_failed_write_keeps_the_old_file_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    folder = LocalFolder(str(tmp_path))
    folder.write("manifest.json", b"old")
    monkeypatch.setattr(broken, no_space)
    with pytest.raises(StorageError, match=r"can't write .*: No space left"):
        folder.write("manifest.json", b"new")
    assert folder.read("manifest.json") == b"old"
    assert folder.names("") == ["manifest.json"]


def test_readers_never_see_a_partial_write(tmp_path: Path) -> None:
    folder = LocalFolder(str(tmp_path))
    folder.write("a", b"0" * 100_000)
    written = threading.Event()
    seen: set[tuple[int, int]] = set()

    def look() -> None:
        while not written.is_set() or not seen:
            data = folder.read("a")
            seen.add((len(data), len(set(data))))

    reader = threading.Thread(target=look)
    reader.start()
    for digit in b"123456789":
        folder.write("a", bytes([digit]) * 100_000)
    written.set()
    reader.join()
    assert seen == {(100_000, 1)}


@pytest.mark.parametrize("below", ["", "/below", "/far/below"])
def test_file_in_place_of_the_folder_is_not_writable(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    folder = LocalFolder(f"{tmp_path}/file{below}")
    with pytest.raises(StorageError, match=r"can't write in .*: use another results folder"):
        folder.check_writable()
    with pytest.raises(StorageError, match=r"can't write .*/file"):
        folder.write("a", b"1")


def test_folder_without_write_permission_is_not_writable(as_nobody: Path) -> None:
    as_nobody.chmod(0o500)
    try:
        with pytest.raises(StorageError, match=r"can't write in .*\(Permission denied\)"):
            open_folder(as_nobody / "results").check_writable()
    finally:
        as_nobody.chmod(0o700)


def test_file_without_read_permission_is_a_photo_error(as_nobody: Path) -> None:
    (as_nobody / "a.jpg").touch(0o000)
    with pytest.raises(PhotoError, match=r"^the file can't be read \(Permission denied\)$"):
        open_folder(as_nobody).read("a.jpg")


def test_deleting_a_link_keeps_its_target(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to("kept")
    LocalFolder(str(tmp_path)).delete("link")
    assert LocalFolder(str(tmp_path)).names("") == ["kept"]


# Addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("photos", "{here}/photos"),
        ("./photos/../photos/", "{here}/photos"),
        (Path("photos"), "{here}/photos"),
        (".", "{here}"),
        ("~", "{home}"),
        ("~/my photos", "{home}/my photos"),
        ("~nobody-of-that-name/photos", "{here}/~nobody-of-that-name/photos"),
        ("/data/photos", "/data/photos"),
        ("file:///data/my photos", "/data/my photos"),
    ],
)
def test_a_folder_on_disk_has_an_absolute_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str | Path, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    expected = expected.format(here=tmp_path, home=tmp_path / "home")
    assert open_folder(address) == LocalFolder(expected)


@pytest.mark.parametrize("address", ["s3://{}/a b/photos", "s3a://{}/a b/photos/"])
def test_bucket_addresses_are_normalised(s3: str, address: str) -> None:
    assert open_folder(address.format(s3)).address == f"s3a://{s3}/a b/photos"


@pytest.mark.parametrize("prefix", ["/", "/photos/", "a//b/", "a//", "//", "a/ /b/"])
def test_prefixes_with_empty_names_are_reachable(s3: str, prefix: str) -> None:
    """Keys may begin with `/` and contain `//`, as other tools write them."""
    s3_client().put_object(Bucket=s3, Key=f"{prefix}Kiwi/1.jpg", Body=b"1")
    s3_client().put_object(Bucket=s3, Key="a/elsewhere.jpg", Body=b"")
    for address in (f"s3://{s3}/{prefix}", open_folder(f"s3://{s3}/{prefix}").address):
        folder = open_folder(address)
        assert list_photos(folder).table["path"].to_pylist() == ["Kiwi/1.jpg"]
        assert folder.read("Kiwi/1.jpg") == b"1"


def test_results_need_a_prefix_that_spark_can_write_to(s3: str) -> None:
    with pytest.raises(StorageError, match="use a prefix without `//`"):
        open_results(f"s3://{s3}//results")


def test_a_whole_bucket_is_a_folder(s3: str) -> None:
    folder = open_folder(f"s3://{s3}")
    folder.write("a", b"1")
    assert (folder.address, folder.uri("a"), folder.names("")) == (
        f"s3a://{s3}",
        f"s3a://{s3}/a",
        ["a"],
    )


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("", "the folder's address is empty"),
        ("file://", "the folder's address is empty"),
        (
            "ftp://host/photos",
            "unsupported address ftp://host/photos: use a folder, or s3://BUCKET/PREFIX",
        ),
        ("https://host/photos", "unsupported address https://host/photos: use a folder"),
        ("s3://", "s3:// has no bucket: use s3://BUCKET/PREFIX"),
        ("s3a:///photos", "s3a:///photos has no bucket"),
    ],
)
def test_invalid_address_is_refused(address: str, reason: str) -> None:
    with pytest.raises(StorageError) as caught:
        open_folder(address)
    assert str(caught.value).startswith(reason)
