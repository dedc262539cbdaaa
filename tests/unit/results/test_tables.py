"""Tables as lists of files: read by column, changed by rewriting only the affected files."""

import pickle
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest

from fruits.errors import ResultsError
from fruits.features import extract
from fruits.photos import listing
from fruits.results import open_results, tables
from fruits.results.manifest import Manifest
from fruits.results.tables import KEYS, Keys
from fruits.storage import Folder
from fruits.storage.local import LocalFolder
from fruits.storage.s3 import S3Folder


def rows(*names: str, features: int = 4) -> pa.Table:
    lists = [[float(len(name))] * features for name in names]
    columns = [names, ["a"] * len(names), ["1"] * len(names), lists]
    schema = pa.schema([*KEYS, ("features", pa.list_(pa.float32()))])
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)], schema)


@pytest.fixture(params=["a disk", "S3"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    if request.param == "S3":
        return S3Folder(request.getfixturevalue("s3"), "results/")
    return LocalFolder(str(tmp_path))


def written(folder: Folder, *files: pa.Table, provenance: bytes = b"") -> list[str]:
    names = [tables.new_file("features") for _ in files]
    for name, table in zip(names, files, strict=True):
        tables.write(folder, name, table, provenance)
    return names


def test_written_file_is_read_back_unchanged(folder: Folder) -> None:
    (name,) = written(folder, rows("x", "yy"), provenance=b"so")
    assert tables.read_file(folder, name).equals(rows("x", "yy"))
    assert tables.provenance_of(folder, name) == b"so"


def test_only_the_keys_of_a_large_file_in_s3_are_fetched(s3: str) -> None:
    folder = S3Folder(s3, "results/")
    numbers = np.random.default_rng(7).random(200 * 1280, np.float32)
    table = rows(*(f"{i}.jpg" for i in range(200)))
    lists = pa.ListArray.from_arrays(np.arange(201, dtype=np.int32) * 1280, numbers)
    files = written(folder, table.set_column(3, "features", lists))
    fetched = 0
    get = S3Folder._get

    def counted(*args: str) -> tuple[bytes, int]:
        nonlocal fetched
        data, size = get(*args)  # type: ignore[arg-type]
        fetched += len(data)
        assert size > 800_000
        return data, size

    with patch.object(S3Folder, "_get", counted):
        keys = Keys.of(folder, files, KEYS)
    assert keys.rows.equals(table.select(KEYS.names))
    assert fetched < 80_000
    assert tables.read_file(folder, files[0])["features"].combine_chunks().equals(lists)


def test_missing_file_is_named(folder: Folder) -> None:
    gone = tables.new_file("features")
    with pytest.raises(ResultsError, match=f"{gone} in .* is missing: .* use another folder"):
        Keys.of(folder, [gone], KEYS)


@pytest.mark.parametrize("damage", ["text", "cut", "zeros", "empty"])
def test_damaged_parquet_file_is_not_said_to_be_missing(folder: Folder, damage: str) -> None:
    (name,) = written(folder, rows("x", "yy"))
    data = folder.read(name)
    zeros = data[:4] + bytes(len(data) // 2) + data[4 + len(data) // 2 :]
    bad = {"text": b"text", "cut": data[: len(data) // 2], "zeros": zeros, "empty": b""}[damage]
    folder.write(name, bad)
    with pytest.raises(ResultsError) as caught:
        tables.read_file(folder, name)
    assert f"{name} in {folder.address} is damaged (" in str(caught.value)
    assert str(caught.value).endswith("): restore it from a backup, or use another folder")
    assert "\n" not in str(caught.value)


def test_only_files_that_lose_rows_are_rewritten(tmp_path: Path) -> None:
    folder = LocalFolder(str(tmp_path))
    files = written(folder, rows("1", "2"), rows("3", "4"), rows("5"))
    keys = Keys.of(folder, files, KEYS)
    (whole,), (one,) = keys.keeping(np.array([True, True, False, True, False]))
    assert whole == (0, None)
    assert one[0] == 1
    assert one[1] is not None
    assert one[1].tolist() == [1]
    left = keys.read(folder, np.array([True, False, False, True, True]))
    assert left["path"].to_pylist() == ["1", "4", "5"]


def test_many_small_files_are_merged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("_SMALL_ROWS", 3), ("_MANY_SMALL", 4), ("_FILE_ROWS", 5)):
        monkeypatch.setattr(tables, name, value)
    folder = LocalFolder(str(tmp_path))
    small = [rows(f"{i}", f"{i}{i}") for i in range(4)]
    files = written(folder, rows("a", "b", "c"), *small)
    change = Keys.of(folder, files, KEYS).keeping(np.ones(11, bool))
    assert change[0] == [(0, None)]
    assert [[file for file, _ in parts] for parts in change[1:]] == [[1, 2], [3, 4]]
    few = Keys.of(folder, files[:4], KEYS).keeping(np.ones(9, bool))
    assert few == [[(i, None)] for i in range(4)]


def test_task_is_sent_with_its_own_photos_only() -> None:
    names = [f"label/{i:06d}.jpg" for i in range(20_000)]
    photos = pa.table(
        [names, ["label"] * 20_000, ["1"] * 20_000, [20_000] * 20_000, pa.nulls(20_000)],
        names=listing.SCHEMA.names,
    ).cast(listing.SCHEMA)
    tasks = extract.partition(photos, slots=16)
    assert len(tasks) > 32
    assert pa.concat_tables(tasks).equals(photos)
    sent = sum(len(pickle.dumps(task)) for task in tasks)
    assert sent < 2 * len(pickle.dumps(photos))


def test_results_with_a_missing_file_are_not_committed(tmp_path: Path) -> None:
    store = open_results(str(tmp_path))
    gone = tables.new_file("features")
    manifest = Manifest(
        photos="p", features=[gone], rejects=[], model={}, engine="openvino", precision="float32"
    )
    with pytest.raises(ResultsError, match=f"{gone} is missing in .* all machines share, or S3"):
        store.commit(manifest)
    assert open_results(str(tmp_path)).manifest is None
