"""CSV files of photos whose names spreadsheets would take for formulas."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pytest
from classified import SETTINGS
from command import in_session
from copies import copy_results
from places import SAMPLES

from fruits import classify, pipeline
from fruits.csv_cells import plain
from fruits.erase import erase
from fruits.photos.listing import list_photos
from fruits.progress import Silent
from fruits.results import open_results
from fruits.settings import Settings
from fruits.storage import open_folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LABELS = {"=1+1": "Banana", "-Kiwi": "Kiwi", "'@Lime": "Lime", "Lemon": "Lemon"}
NAMES = ["\t=1.jpg", " +1.jpg ;.jpg", "@SUM(A1)", "a;=1.jpg"]


@pytest.fixture(scope="module")
def formulas(spark: "SparkSession", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results, with a classifier, of photos in folders and files that are named as formulas."""
    home = tmp_path_factory.mktemp("formulas")
    for label, kind in LABELS.items():
        shutil.copytree(SAMPLES / kind, home / "photos" / label)
    photo = (SAMPLES / "Banana" / "banana_01.jpg").read_bytes()
    for name in NAMES:
        (home / "photos" / f"{name}.jpg").write_bytes(photo)
    pipeline.run(spark, str(home / "photos"), str(home / "results"), SETTINGS, Silent())
    classify.train(spark, str(home / "results"), SETTINGS, 1, Silent())
    return home


@pytest.fixture
def home(formulas: Path, tmp_path: Path) -> Path:
    copy_results(formulas, tmp_path)
    return tmp_path


def _table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype={"path": str, "label": str}, keep_default_na=False)


def _known(home: Path) -> pd.DataFrame:
    """path and label as the Parquet files have them."""
    store = open_results(str(home / "results"))
    rows = store.read(store.current().features, ["path", "label"]).to_pandas().fillna("")
    sorted_rows: pd.DataFrame = rows.sort_values("path", ignore_index=True)
    return sorted_rows


def _check(table: pd.DataFrame, known: pd.DataFrame) -> None:
    """No cell is a formula, and `plain` gives the photos' own names."""
    for column in ("path", "label"):
        assert not table[column].str.match(r"[ \t]*[=+@\t-]").any()
        names = plain(pa.array(table[column])).to_pylist()
        assert names == list(known[column])


def test_results_csv(home: Path) -> None:
    table = _table(home / "results" / "results.csv")
    assert table["path"].str.startswith("'").sum() > len(NAMES)
    _check(table, _known(home))


def test_a_csv_in_parts_has_the_same_cells(
    spark: "SparkSession", home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _table(home / "results" / "results.csv")
    monkeypatch.setattr("fruits.results.csv._ONE_FILE_VALUES", 10)
    pipeline.pca(spark, str(home / "results"), Settings(components=3), Silent())
    parts = sorted((home / "results" / "results.csv").glob("part-*.csv"))
    assert parts
    table = pd.concat([_table(part) for part in parts], ignore_index=True)
    pd.testing.assert_frame_equal(table[["path", "label"]], whole[["path", "label"]])
    assert table["pc_1"].dtype == float


def test_predictions(spark: "SparkSession", home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = home / "predictions.csv"
    done = in_session(
        capsys, "predict", str(home / "results"), str(home / "photos"), "--csv", str(file)
    )
    assert done.returncode == 0, done.stderr
    table = _table(file)
    _check(table.assign(label=_known(home)["label"].map(_escaped)), _known(home))
    assert set(table["label_1"]) <= {_escaped(label) for label in LABELS}


def _escaped(label: str) -> str:
    return label if label in ("", "Lemon") else f"'{label}"


def test_names_as_in_the_csv_erase_these_photos(spark: "SparkSession", home: Path) -> None:
    cells = _table(home / "results" / "results.csv")["path"]
    chosen = [str(cells[cells.str.startswith("'=1+1/")].iloc[0]), "'-Kiwi/"]
    erased = set(plain(pa.array(chosen)).to_pylist())
    done = erase(spark, str(home / "results"), chosen, progress=Silent())
    assert not done.unmatched
    assert done.photos > 1
    left = set(_known(home)["path"])
    assert not erased & left
    assert not [path for path in left if path.startswith("-Kiwi/")]
    assert [path for path in left if path.startswith("'@Lime/")]


def test_names_as_in_the_folder_erase_these_photos_too(spark: "SparkSession", home: Path) -> None:
    done = erase(spark, str(home / "results"), ["'@Lime/"], progress=Silent())
    assert done.photos == len(list((home / "photos" / "'@Lime").iterdir()))


def test_results_csv_is_a_table_of_labels(home: Path) -> None:
    known = _known(home)
    csv = str(home / "results" / "results.csv")
    listed = list_photos(open_folder(str(home / "photos")), csv)
    rows = listed.table.select(["path", "label"]).to_pandas().fillna("")
    pd.testing.assert_frame_equal(rows.sort_values("path", ignore_index=True), known)
