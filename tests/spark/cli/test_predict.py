"""`fruits predict` and `fruits evaluate`: what they print, and their errors."""

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.csv
import pytest
from classified import opened
from command import fruits, in_session, refused

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def test_predict_reports_unreadable_photos_and_continues(home: Path) -> None:
    bad = home / "bad.jpg"
    bad.write_bytes(b"\xff\xd8 no more")
    good = str(home / "photos" / "Banana" / "banana_01.jpg")
    done = fruits("predict", str(home / "results"), good, str(bad), "nowhere.jpg", good)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    assert lines[0] == lines[3]
    assert lines[0].startswith(f"{good}: Banana ")
    assert lines[1].startswith(f"{bad}: the file is ")
    assert lines[2] == "nowhere.jpg: the file can't be read (No such file or directory)"


def test_predict_json_is_one_object_per_photo(home: Path) -> None:
    photos = [str(home / "photos" / "Kiwi" / f"kiwi_0{i}.jpg") for i in (1, 2)]
    done = fruits("predict", str(home / "results"), *photos, "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["path"] for row in rows] == photos
    assert {row["label"] for row in rows} == {"Kiwi"}
    assert all(len(row["top"]) == 5 for row in rows)
    assert done.returncode == 0


def test_predictions_of_a_folder_are_written_to_a_csv(
    spark: "SparkSession", home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predictions = home / "predictions.csv"
    folder = str(home / "photos")
    done = in_session(capsys, "predict", str(home / "results"), folder, "--csv", str(predictions))
    assert done.returncode == 1, done.stderr  # one photo is broken
    assert "1 rejects" in done.stdout
    table = pyarrow.csv.read_csv(predictions)
    assert table.column_names[:5] == ["path", "reason", "confident", "label_1", "probability_1"]
    assert table.num_rows == opened(home).current().counts["listed"]


def test_evaluate_json_is_one_object(home: Path) -> None:
    measures = json.loads(fruits("evaluate", str(home / "results"), "--json").stdout)
    for name in ("accuracy", "top5", "macro_f1", "calibration_error"):
        low, high = measures["intervals"][name]
        assert low <= high
        assert 0 <= measures[name] <= 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("predict", "RESULTS", "PHOTO", "FOLDER"), "pass photos, or one folder"),
        (
            ("predict", "RESULTS", "PHOTO", "--csv", "out.csv"),
            "--csv is for the photos of a folder",
        ),
        (("predict", "RESULTS", "EMPTY", "--csv", "out.csv"), "nothing is not one"),
        (("predict", "EMPTY", "PHOTO"), "there are no results in"),
        (("train", "EMPTY"), "there are no results in"),
        (("evaluate", "EMPTY"), "there are no results in"),
        (("evaluate", "RESULTS", "--photos", "EMPTY"), "there is no folder"),
    ],
)
def test_user_error_is_one_line(home: Path, words: tuple[str, ...], expected: str) -> None:
    stands_for = {
        "RESULTS": str(home / "results"),
        "PHOTO": str(home / "photos" / "Kiwi" / "kiwi_01.jpg"),
        "FOLDER": str(home / "photos"),
        "EMPTY": str(home / "nothing"),
    }
    assert expected in refused(fruits(*(stands_for.get(word, word) for word in words)))


def test_error_without_a_classifier_names_fruits_train(home: Path) -> None:
    draft = json.loads((home / "results" / "manifest.json").read_text())
    draft["models"].pop("classifier")
    (home / "results" / "manifest.json").write_text(json.dumps(draft))
    photo = str(home / "photos" / "Kiwi" / "kiwi_01.jpg")
    done = fruits("predict", str(home / "results"), photo)
    assert f"run `fruits train {home}/results`" in refused(done)


def test_predict_imports_nothing_slow_for_a_single_photo(home: Path) -> None:
    code = (
        "import sys; from fruits.cli.predict import predict\n"
        "predict(sys.argv[1:], standalone_mode=False)\n"
        "slow = 'pyspark tensorflow pandas boto3 pyarrow openvino.tools.ovc urllib.request'\n"
        "sys.exit(str(set(slow.split()) & sys.modules.keys() or ''))"
    )
    photo = home / "photos" / "Kiwi" / "kiwi_01.jpg"
    done = subprocess.run(
        [sys.executable, "-c", code, str(home / "results"), str(photo)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Kiwi" in done.stdout
    assert done.stderr.strip() == ""
