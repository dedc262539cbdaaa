"""`fruits upload` copies new and changed photos of a folder to S3 under the same names."""

import os
from pathlib import Path
from typing import Any

import pytest
from command import in_session
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


def test_photos_that_cant_be_read_are_counted_with_the_first_reason(
    tmp_path: Path, s3: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = f"s3://{s3}/photos"
    (tmp_path / "dangling.jpg").symlink_to("gone.jpg")
    os.mkfifo(tmp_path / "pipe.png")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.jpg")).write_bytes(b"photo")
    with pytest.raises(PhotosError, match=r"^no photo in .* can be read; the first, caf\\xe9\.jpg"):
        upload(str(tmp_path), target, Silent())
    save(tmp_path, "a.png")
    done = in_session(capsys, "upload", str(tmp_path), target)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-2:] == [
        f"Uploaded 1 photos to {target}; 0 were already there.",
        r"Left out 3 that can't be read; the first, caf\xe9.jpg: the file's name is not valid "
        "UTF-8: rename it",
    ]
    again = upload(str(tmp_path), target, Silent())
    assert (again.sent, again.already_there, again.unreadable) == (0, 1, 3)


def test_photos_that_cant_be_read_while_uploading_are_left_out(tmp_path: Path, s3: str) -> None:
    class Vanishing(Silent):
        """Deletes a photo after it was listed."""

        def step(self, name: str, *more: Any) -> Any:
            (tmp_path / "b.png").unlink()
            return super().step(name, *more)

    for name in ("a.png", "b.png"):
        save(tmp_path, name)
    assert upload(str(tmp_path), f"s3://{s3}/photos", Vanishing()) == Uploaded(
        1, 0, 1, "b.png: the file can't be read (No such file or directory)"
    )
