"""`fruits upload` copies new and changed photos of a folder to S3 under the same names."""

from pathlib import Path

import pytest
from photos import save

from fruits.errors import PhotosError, StorageError
from fruits.photos.upload import Uploaded, upload
from fruits.progress import Silent
from fruits.storage import open_folder


def test_only_photos_are_uploaded_under_their_own_names(tmp_path: Path, s3: str) -> None:
    names = ["root.jpg", "Élan d'été #1/photo 100%.png"]
    for name in names:
        save(tmp_path, name)
    (tmp_path / "notes.txt").write_text("not a photo")
    target = f"s3://{s3}/photos"
    assert upload(str(tmp_path), target, Silent()) == Uploaded(sent=2, already_there=0)
    bucket = open_folder(target)
    assert [bucket.read(name) for name in names] == [(tmp_path / n).read_bytes() for n in names]
    assert bucket.read_if_there("notes.txt") is None


def test_only_new_and_changed_photos_are_uploaded_again(tmp_path: Path, s3: str) -> None:
    save(tmp_path, "a.png")
    save(tmp_path, "b.png")
    upload(str(tmp_path), f"s3://{s3}/photos", Silent())
    save(tmp_path, "b.png", size=(600, 400))
    save(tmp_path, "c.png")
    assert upload(str(tmp_path), f"s3://{s3}/photos", Silent()) == Uploaded(sent=2, already_there=1)
    assert open_folder(f"s3://{s3}/photos").read("b.png") == (tmp_path / "b.png").read_bytes()


def test_upload_errors_are_reported(tmp_path: Path, s3: str) -> None:
    with pytest.raises(PhotosError, match="no photo"):
        upload(str(tmp_path), f"s3://{s3}/photos", Silent())
    with pytest.raises(StorageError, match="no folder"):
        upload(str(tmp_path / "missing"), f"s3://{s3}/photos", Silent())
    with pytest.raises(StorageError, match="s3://BUCKET/PREFIX"):
        upload(str(tmp_path), str(tmp_path / "elsewhere"), Silent())
