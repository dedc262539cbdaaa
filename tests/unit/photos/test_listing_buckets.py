"""Photos in a bucket are listed as in a folder, whatever pages S3 answers with."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from listings import ODD_NAMES, labels, listing, paths, put
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from fruits.errors import StorageError
from fruits.photos.listing import list_photos
from fruits.storage import open_folder
from fruits.storage.s3 import S3Folder
from fruits.storage.s3_client import s3_client

IN_BUCKETS = [name for name in ODD_NAMES if "\n" not in name]
"""S3 allows newlines in keys, but moto's server can't route them."""


def upload(bucket: str, *keys: str, data: bytes = b"x") -> None:
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda k: s3_client().put_object(Bucket=bucket, Key=k, Body=data), keys):
            pass


@pytest.mark.parametrize("prefix", ["", "a b/é/photos/"])
def test_bucket_and_folder_give_the_same_listing(tmp_path: Path, s3: str, prefix: str) -> None:
    names = ["root.jpg", "notes.txt", "2024/market/Pear/1.png", "2024/.DS_Store"]
    names += [f"{name}/{name}.jpg" for name in IN_BUCKETS]
    put(tmp_path, *names)
    upload(s3, *(prefix + name for name in names))
    assert labels(f"s3://{s3}/{prefix}") == labels(tmp_path)
    assert list(labels(f"s3://{s3}/{prefix}")) == list(labels(tmp_path))
    assert listing(f"s3://{s3}/{prefix}").ignored == listing(tmp_path).ignored == 2


def test_photos_listed_in_a_bucket_can_be_read(s3: str) -> None:
    upload(s3, *(f"photos/{name}.jpg" for name in IN_BUCKETS))
    folder = open_folder(f"s3://{s3}/photos")
    assert [folder.read(path) for path in paths(f"s3://{s3}/photos")] == [b"x"] * len(IN_BUCKETS)


def test_more_keys_than_fit_in_one_page_are_listed(s3: str) -> None:
    store = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]  # faster than 1,003 requests
    names = [f"{i:04}.jpg" for i in range(1003)]
    for name in names:
        store.put_object(s3, f"photos/{name}", b"x")
    assert paths(f"s3://{s3}/photos") == names


@pytest.mark.parametrize("folders", [1, 20])
def test_all_pages_of_a_listing_are_read(s3: str, folders: int) -> None:
    """Pages of two keys; few folders are listed one by one, many in one listing."""
    names = [f"{i % folders:02}/{i:02}/{i}.jpg" for i in range(24)]
    upload(s3, *names)
    events = s3_client().meta.events
    events.register("before-parameter-build.s3.ListObjectsV2", two_at_a_time)
    assert paths(f"s3://{s3}") == sorted(names)


def two_at_a_time(params: dict[str, object], **_: object) -> None:
    params["MaxKeys"] = 2


def test_empty_folder_markers_are_ignored(s3: str) -> None:
    upload(s3, "photos/", "photos/Apple/", "photos/d.jpg/", "photos/Empty/", data=b"")
    upload(s3, "photos/Apple/1.jpg", "photos/d.jpg/1.jpg")
    assert paths(f"s3://{s3}/photos") == ["Apple/1.jpg", "d.jpg/1.jpg"]
    assert listing(f"s3://{s3}/photos").ignored == 0


def test_prefix_matches_whole_folder_names_only(s3: str) -> None:
    upload(s3, "photos/1.jpg", "photos2/2.jpg", "photos.jpg")
    assert paths(f"s3://{s3}/photos") == ["1.jpg"]


def test_size_and_version_come_from_the_object(s3: str) -> None:
    upload(s3, "a.jpg", data=b"12345")
    before = listing(f"s3://{s3}").table
    assert before["size"].to_pylist() == [5]
    assert listing(f"s3://{s3}").table == before
    upload(s3, "a.jpg", data=b"54321")
    assert listing(f"s3://{s3}").table["version"] != before["version"]


def test_missing_bucket_is_named(s3: str) -> None:
    with pytest.raises(StorageError, match="there is no bucket nowhere: check its name"):
        list_photos(S3Folder("nowhere", ""))
