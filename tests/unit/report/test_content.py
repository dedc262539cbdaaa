"""Which photos the report shows, and how many of them it reads."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from photos import save

from fruits.report import content
from fruits.report.content import gather
from fruits.report.render import render
from fruits.results import open_results, tables
from fruits.results.manifest import Manifest
from fruits.results.store import REPORT, Results
from fruits.results.tables import REJECTS
from fruits.settings import Settings
from fruits.storage.local import LocalFolder

COUNTS = {"Apple": 40, "Kiwi": 20, "Lime": 2}


def table(results: Path, name: str, rows: pa.Table) -> str:
    file = tables.new_file(name)
    tables.write(LocalFolder(str(results)), file, rows)
    return file


@pytest.fixture
def store(tmp_path: Path) -> Results:
    """Committed results of small photos of three labels, with a report."""
    paths = [f"{label}/{i}.png" for label, n in COUNTS.items() for i in range(n)]
    for number, path in enumerate(paths):
        save(tmp_path / "photos", path, (4 * number, 0, 0), (8, 8))
    labels = [path.split("/")[0] for path in paths]
    rng = np.random.default_rng(0)
    results = tmp_path / "results"
    keys = {"path": paths, "label": labels}
    manifest = Manifest(
        photos=str(tmp_path / "photos"),
        features=[table(results, "features", pa.table({**keys, "version": ["1"] * len(paths)}))],
        rejects=[table(results, "rejects", REJECTS.empty_table())],
        reduced=[
            table(
                results,
                "reduced",
                pa.table({**keys, "components": list(rng.normal(size=(len(paths), 2)))}),
            )
        ],
        explained_variance=[0.5, 0.2],
        model={},
        engine="openvino",
        precision="float32",
    )
    store = open_results(str(results))
    store.commit(manifest)
    store.write_derived(REPORT, render(gather(store, Settings())).encode())
    return store


def test_all_photos_of_a_small_folder_are_shown(store: Results) -> None:
    shown = gather(store, Settings())
    assert len(shown.pictures) == len(shown.scatter) == sum(COUNTS.values())
    assert {label: len(photos) for label, photos in shown.samples.items()} == {
        "Apple": 6,
        "Kiwi": 6,
        "Lime": 2,
    }


@pytest.mark.parametrize("limit", ["_PICTURES", "_PICTURE_BYTES"])
def test_pictures_are_spread_evenly_over_labels(
    store: Results, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    all_of_them = gather(store, Settings()).pictures
    some = 24 if limit == "_PICTURES" else 24 * len(all_of_them["Apple/0.png"].thumbnail)
    monkeypatch.setattr(content, limit, some)
    shown = gather(store, Settings()).pictures
    labels = [path.split("/")[0] for path in shown]
    assert labels.count("Lime") == 2
    assert abs(labels.count("Kiwi") - labels.count("Apple")) <= 6
    assert 20 <= len(shown) <= 24 + 14, "samples are always shown"
    assert gather(store, Settings()).pictures == shown


def test_a_commit_keeps_the_pictures_of_the_report_for_the_next(
    store: Results, tmp_path: Path
) -> None:
    """Though it deletes the report."""
    before = gather(store, Settings())
    for photo in (tmp_path / "photos").rglob("*.png"):
        photo.unlink()
    manifest = store.current()
    rows = store.read(manifest.features).slice(1)
    changed = table(tmp_path / "results", "features", rows)
    store.commit(replace(manifest, features=[changed]))
    assert not (tmp_path / "results" / REPORT).exists()
    after = gather(store, Settings())
    assert before.pictures.keys() - after.pictures.keys() == {"Apple/0.png"}
    assert len(after.samples["Apple"]) == 6, "a picture of a point is now among the samples"


def test_photos_that_are_gone_from_the_results_leave_no_picture(
    store: Results, tmp_path: Path
) -> None:
    before = gather(store, Settings())
    manifest = store.current()
    kept = [store.read(files).slice(1) for files in (manifest.features, manifest.reduced or [])]
    features = table(tmp_path / "results", "features", kept[0])
    reduced = table(tmp_path / "results", "reduced", kept[1])
    store.commit(replace(manifest, features=[features], reduced=[reduced]))
    page = render(gather(store, Settings()))
    for path, photo in before.pictures.items():
        assert (photo.key in page) == (path != "Apple/0.png"), path
