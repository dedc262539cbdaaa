"""Labels, samples, recognition and the run, in the report."""

import re

import pytest
from reports import JPEG, Page, manifest, page

from fruits.classifier.evaluation import Baseline, Confusion, Evaluation, LabelMetrics, OnPhotos
from fruits.report.render import MAX_BARS, MAX_SAMPLE_LABELS, ReportContent, SamplePhoto, render
from fruits.report.scatter import ScatterPoint
from fruits.results.manifest import Training

# Number of labels


def test_two_hundred_labels() -> None:
    names = [f"label {i:03}" for i in range(200)]
    shown = page(
        manifest(labels={name: 1000 - i for i, name in enumerate(names)}),
        [ScatterPoint(f"{name}.jpg", name, i, i) for i, name in enumerate(names)],
        {name: [SamplePhoto(f"{name}.jpg", JPEG)] for name in names},
    )
    assert len([b for b in shown.all("button") if "data-group" in b]) == 200
    assert len(shown.all("img")) == MAX_SAMPLE_LABELS
    assert f"Photos of {MAX_SAMPLE_LABELS} of the 200 labels." in shown.text("samples")
    rest = sum(range(801, 1001 - MAX_BARS))
    assert f"and {200 - MAX_BARS} more labels, {rest:,} photos" in shown.text("labels")
    assert all(name in shown.text("labels") for name in names), "the others unfold"


def test_bars_are_sorted_and_to_scale() -> None:
    shown = page(manifest(labels={"few": 25, "many": 1000, "": 250}))
    assert shown.text("labels").endswith("many 1,000 no label 250 few 25")
    widths = re.findall(r'<span style="width:([\d.]+)%">', shown.html.split('id="labels"')[1])
    assert [float(width) for width in widths[:3]] == [100, 25, 2.5]


def test_photos_without_any_label() -> None:
    loose = ScatterPoint("loose.jpg", None, 1, 1)
    shown = page(manifest(labels={"": 3}), [loose], {None: [SamplePhoto("loose.jpg", JPEG)]})
    assert "No photo has a label: 3 photos lie outside" in shown.text("labels")
    assert "labels" not in shown.text().split("Variance")[0], "no tile counts none"
    assert [a["alt"] for a in shown.all("img")] == ["no label: loose.jpg"]


# The run


def test_the_facts_of_the_run_are_shown() -> None:
    run = page().text("run")
    for fact in (
        "Photos s3://orchard/photos",
        "Made 2024-11-22 21:53 UTC",
        "Weights imagenet",
        f"SHA-256 {'ab' * 32}",
        "Engine openvino",
        "Precision float32",
        "featurize 8.0 s",
        "pca 1 min 15 s",
        "pyspark 4.3.0",
        "2024-11-20 10:00 UTC 2 photos",
    ):
        assert fact in run


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("2024-11-22T21:53:07Z", "2024-11-22 21:53 UTC"),
        ("2024-11-22T23:53:07+02:00", "2024-11-22 21:53 UTC"),
        ("2024-11-22T21:53:07", "2024-11-22 21:53 UTC"),
        ("last autumn", "last autumn"),
    ],
)
def test_times_are_shown_in_utc(written: str, shown: str) -> None:
    assert f"Made {shown} Weights" in page(manifest(created=written)).text("run")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (61, "1 min 1 s"), (7260, "2 h 1 min")],
)
def test_durations(seconds: float, shown: str) -> None:
    assert f"list {shown}" in page(manifest(seconds={"list": seconds})).text("run")


def test_photos_per_second_count_only_those_featurized_by_this_run() -> None:
    counts = {"features": 1142, "featurized": 400}
    assert "photos a second 50 " in page(manifest(counts=counts)).text()
    assert "photos a second" not in page(manifest(seconds={})).text()
    assert "photos a second" not in page(manifest(counts={**counts, "featurized": 0})).text()


# Recognition

HOSTILE = '<script>alert("x")</script>'


def test_the_confusion_matrix_and_the_metrics_are_shown_and_escaped() -> None:
    evaluation = Evaluation(
        how="photos that were given",
        photos=10,
        on_photos=OnPhotos(rejects=0, ignored=0, other_photos=4, other_photos_not_confident=0.75),
        metrics={"accuracy": 0.7},
        intervals={"accuracy": [0.5, 0.9]},
        baselines={"most_frequent": Baseline(0.5, [0.2, 0.8])},
        labels=[LabelMetrics(HOSTILE, 10, precision=1.0, recall=0.7, f1=0.82)],
        confusion=[Confusion(HOSTILE, HOSTILE, 7), Confusion(HOSTILE, "Lime", 3)],
    )
    training = Training(
        created="2024-11-22T21:53:07+00:00",
        trained_on="features",
        photos=40,
        labels=2,
        views=1,
        shrinkage=0.1,
        temperature=0.1,
        min_similarity=0.2,
        min_probability=0.5,
        accuracy=0.8,
        accuracy_interval=[0.7, 0.9],
    )
    page = render(ReportContent({}, [], {}, {}, training, evaluation))
    shown = Page(page).text("recognition")
    assert "accuracy 70.0% (50.0% to 90.0%)" in shown
    assert "the accuracy in cross-validation was 80.0%" in shown
    assert "of which not confident 75.0%" in shown
    assert page.count('class="cell"') == 2
    assert HOSTILE not in page
