"""What notebooks show of photos, and what they say if there are none."""

import getpass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from photos import save
from places import ROOT, SAMPLES

from fruits.classifier.predictor import Prediction
from fruits.errors import PhotosError, ResultsError, SettingsError
from fruits.notebook import (
    expect_results,
    places,
    plot_components,
    plot_features,
    plot_variance,
    show_photos,
    show_prediction,
    similar_labels,
)


def test_places_in_the_hub_are_in_its_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUCKET", "team")
    found = places()
    assert found.photos == "s3://team/samples/photos"
    assert found.results == f"s3://team/users/{getpass.getuser()}/results"


def test_places_in_a_clone_are_its_samples_and_results(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BUCKET", raising=False)
    monkeypatch.chdir(ROOT / "notebooks")
    assert places() == (str(SAMPLES), str(ROOT / "results"))


def test_places_elsewhere_say_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BUCKET", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="set `photos` and `results`"):
        places()


def test_missing_results_are_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"^there are no .* run pipeline\.ipynb first$"):
        expect_results(str(tmp_path / "results"))


def test_photos_of_all_labels_come_first(tmp_path: Path) -> None:
    for name in ("Apple/a1.png", "Apple/a2.png", "Kiwi/k1.png", "Kiwi/k2.png", "Lime/l1.png"):
        save(tmp_path, name)
    page = show_photos(str(tmp_path), count=4).data
    shown = [name for name in ("a1", "k1", "l1", "a2", "k2") if f"{name}.png" in page]
    assert shown == ["a1", "k1", "l1", "a2"]
    assert page.count("data:image/jpeg") == 4


def test_a_folder_without_photos_says_how_to_upload_some(tmp_path: Path) -> None:
    with pytest.raises(PhotosError, match=r"there are no photos in .* yet: `fruits upload"):
        show_photos(str(tmp_path))


def test_a_photo_that_cant_be_shown_has_the_reason_instead(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    page = show_photos(str(tmp_path)).data
    assert "data:image" not in page
    assert "not an image" in page
    assert "no label" in page


def test_a_prediction_shows_only_labels_worth_saying() -> None:
    top = [("Kiwi", 0.998), ("Lime", 0.002), ("Pear", 0.0)]
    photo = next((SAMPLES / "Kiwi").iterdir()).read_bytes()
    page = show_prediction(photo, Prediction(top, False, True, np.zeros(1280, np.float32))).data
    assert "&gt; 99%" in page
    assert "Lime" not in page
    assert "Not sure" in page


def test_similar_labels_are_pairs_by_cosine() -> None:
    means = pd.DataFrame({"label": ["a", "b", "c"], "mean": [[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]]})
    pairs = similar_labels(means, 2)
    assert pairs[["label", "other label"]].to_numpy().tolist() == [["a", "b"], ["b", "c"]]
    assert pairs["cosine"].tolist() == pytest.approx([0.707, 0.707])
    assert similar_labels(means[:1]).empty
    assert similar_labels(means[:0]).empty


class TestPlots:
    """With Matplotlib, which fails on any warning: users see them in their notebooks."""

    pytestmark = pytest.mark.filterwarnings("error")

    @pytest.fixture(autouse=True)
    def matplotlib(self) -> None:
        pytest.importorskip("matplotlib", reason="run `make .venv/dev`")

    def test_features_beside_their_photo(self) -> None:
        photo = next((SAMPLES / "Kiwi").iterdir()).read_bytes()
        features = np.zeros(1280, np.float32)
        features[:2] = 3.5
        page = plot_features(photo, features).data
        assert "1278 are 0, the largest is 3.5." in page
        assert "data:image/png" in page

    @pytest.mark.parametrize("shares", [[1.0], [0.6, 0.3], np.full(200, 0.0049)])
    def test_variance_says_what_all_components_explain(self, shares: list[float]) -> None:
        page = plot_variance(shares).data
        assert f"{len(shares)} components: {sum(shares):.1%}" in page

    def test_labels_in_any_script_are_escaped_text(self) -> None:
        labels = ["_hidden", "$\\frac$", "苹果", "<b>bold</b>", None]
        table = pd.DataFrame({"path": list("abcde"), "label": labels, "pc_1": range(5)})
        table["pc_2"] = 1.0
        page = plot_components(table).data
        for text in ("_hidden", "$\\frac$", "苹果", "&lt;b&gt;bold", "no label"):
            assert text in page
        assert plot_components(table.drop(columns="pc_2")).data  # a single component

    def test_many_points_are_sampled(self) -> None:
        paths = [f"{i}.jpg" for i in range(5_000)]
        table = pd.DataFrame({"path": paths, "label": "Kiwi", "pc_1": 0.0, "pc_2": range(5_000)})
        assert "4000 photos of 1 labels" in plot_components(table).data
