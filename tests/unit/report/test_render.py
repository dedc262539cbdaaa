"""report.html is self-contained, escapes hostile names and has a text for missing data."""

import base64
import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from itertools import combinations, pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fruits.classifier.evaluate import Baseline, Confusion, Evaluation, LabelMetrics, OnPhotos
from fruits.report.render import (
    MAX_BARS,
    MAX_SAMPLE_LABELS,
    Axis,
    ReportContent,
    SamplePhoto,
    ScatterPoint,
    label_style,
    oklch,
    render,
)
from fruits.results.manifest import Training

VOID = {"meta", "link", "img", "wbr"}
JPEG = b"\xff\xd8\xff\xe0 a small picture \xff\xd9"


class Page(HTMLParser):
    """A parsed page: a list of (tag, attributes), and the text of each section."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.html = html
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.sections: dict[str, str] = {"": ""}
        self._open: list[str] = []
        self._section = ""
        self.feed(html)
        self.close()
        assert self._open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"doubled attribute: {attrs}"
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag == "section":
            self._section = self.tags[-1][1]["id"]
            self.sections[self._section] = ""

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag not in ("bdi", "i"):
            self.sections[self._section] += " "
        if tag == "section":
            self._section = ""

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self._open):
            self.sections[self._section] += data

    def text(self, section: str = "") -> str:
        return " ".join(self.sections[section].split())

    def all(self, tag: str, **attributes: str) -> list[dict[str, str]]:
        wanted = attributes.items()
        return [a for name, a in self.tags if name == tag and wanted <= a.items()]

    def titles(self, pattern: str) -> list[str]:
        return re.findall(f"<title>({pattern})</title>", self.html)


def manifest(**changes: Any) -> dict[str, Any]:
    return {
        "photos": "s3://orchard/photos",
        "created": "2024-11-22T21:53:07+00:00",
        "counts": {
            "listed": 1150,
            "features": 1142,
            "featurized": 1142,
            "rejects": 8,
            "ignored": 3,
        },
        "labels": {"Apple": 700, "Kiwi": 442},
        "explained_variance": [0.5, 0.3, 0.16],
        "variance": 0.95,
        "model": {"name": "imagenet", "sha256": "ab" * 32, "source": "Keras"},
        "engine": "openvino",
        "precision": "float32",
        "versions": {"pyspark": "4.3.0"},
        "seconds": {"featurize": 8.0, "pca": 75.0},
        "erased": [{"when": "2024-11-20T10:00:00+00:00", "photos": 2}],
        **changes,
    }


POINTS = (
    ScatterPoint("Apple/1.jpg", "Apple", -3.0, 2.0),
    ScatterPoint("Kiwi/1.jpg", "Kiwi", 4.0, -1.5),
    ScatterPoint("loose.jpg", None, 0.0, 0.0),
)


def page(
    facts: Mapping[str, Any] | None = None,
    scatter: Sequence[ScatterPoint] = POINTS,
    samples: Mapping[str | None, Sequence[SamplePhoto]] | None = None,
    rejects: Mapping[str, int] | None = None,
) -> Page:
    if samples is None:
        samples = {"Apple": [SamplePhoto("Apple/1.jpg", JPEG)]}
    return Page(
        render(
            ReportContent(
                manifest() if facts is None else facts,
                scatter,
                samples,
                {"empty file": 8} if rejects is None else rejects,
            )
        )
    )


EMPTY = ReportContent({}, [], {}, {})


# Self-contained page


def test_page_loads_no_external_resources() -> None:
    shown = page()
    for tag, attributes in shown.tags:
        for name in ("src", "srcset", "poster", "data", "action", "xlink:href"):
            assert attributes.get(name, "data:").startswith("data:"), (tag, attributes)
        assert attributes.get("href", "#").startswith(("#", "data:")), (tag, attributes)
    assert not re.search(r"https?:|@import|url\(|\bimport\b|fetch\(", shown.html)
    (policy,) = shown.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy["content"].startswith("default-src 'none';")


def test_ids_are_unique_and_references_resolve() -> None:
    shown = page()
    ids = [attributes["id"] for _, attributes in shown.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    referred = {a["href"][1:] for _, a in shown.tags if a.get("href", "").startswith("#")}
    referred |= {a["aria-labelledby"] for _, a in shown.tags if "aria-labelledby" in a}
    referred |= {a["data-group"] for a in shown.all("button") if "data-group" in a}
    assert referred <= set(ids)
    assert set(re.findall(r'getElementById\("(\w+)"\)', shown.html)) <= set(ids)


def test_pictures_and_charts_have_alternative_text() -> None:
    shown = page()
    (photo,) = shown.all("img")
    assert photo["alt"] == "Apple: Apple/1.jpg"
    assert photo["loading"] == "lazy"
    assert int(photo["width"]) == int(photo["height"]) > 0
    head, _, encoded = photo["src"].partition(",")
    assert (head, base64.b64decode(encoded)) == ("data:image/jpeg;base64", JPEG)
    charts = [a for a in shown.all("svg") if a.get("class") == "plot"]
    assert len(charts) == 3
    assert all(a["role"] == "img" and a["aria-label"] for a in charts)


# Hostile names


def page_with_name(name: str) -> Page:
    """A page that uses this name wherever names come from user data."""
    facts = manifest(
        photos=name,
        created=name,
        labels={name: 1},
        model={"name": name, "sha256": name, "source": name},
        engine=name,
        precision=name,
        versions={name: name},
        seconds={f"{name} {name}": 1.0},
        erased=[{"when": name, "photos": 1}],
    )
    return page(
        facts, [ScatterPoint(name, name, 0, 0)], {name: [SamplePhoto(name, JPEG)]}, {name: 8}
    )


def structure(shown: Page) -> list[tuple[str, list[str]]]:
    return [(tag, sorted(attributes)) for tag, attributes in shown.tags if tag != "wbr"]


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror="alert(1)">',
        "' onmouseover='alert(1)",
        "</style></title></svg><script>",
        "{{ 7 * 7 }}{% raw %}",
        "&lt;b&gt; &amp;",
        "--> ]]> 🍏🍐 é",
        "line one\nline two",
        "x" * 300,
    ],
)
def test_hostile_names_are_escaped(name: str) -> None:
    shown = page_with_name(name)
    assert structure(shown) == structure(page_with_name("Apple"))
    for section in ("scatter", "labels", "samples", "rejects", "run"):
        assert " ".join(name.split()) in shown.text(section), section
    (photo,) = shown.all("img")
    assert photo["alt"] == f"{name}: {name}"


@given(st.text(min_size=1, max_size=40))
@example("a file name that is not UTF-8: \udcff")
@settings(max_examples=40, deadline=None)
def test_any_name_keeps_the_page_structure_and_can_be_encoded(name: str) -> None:
    shown = page_with_name(name)
    shown.html.encode("utf-8")
    assert structure(shown) == structure(page_with_name("Apple"))


# Missing data


def test_empty_page_has_a_text_in_every_section() -> None:
    shown = Page(render(EMPTY))
    assert {section: shown.text(section) for section in shown.sections if section} == {
        "variance": "Explained variance No components have been computed yet.",
        "scatter": "First two components There are no components to draw yet.",
        "recognition": "Recognition No classifier was trained yet: fruits train makes one.",
        "suspects": "Look at these Nobody has looked for near-duplicates, wrong labels and "
        "outliers yet: fruits check does.",
        "labels": "Photos a label No photo has been turned into features yet.",
        "samples": "Sample photos There are no sample photos to show.",
        "rejects": "Rejected photos No photo was rejected.",
        "run": "The run Nothing is recorded about the run.",
    }
    assert not shown.all("dl")


def test_null_is_treated_as_missing() -> None:
    nothing = ReportContent(dict.fromkeys(manifest()), [], {}, {})
    assert render(nothing) == render(EMPTY)


@pytest.mark.parametrize("key", manifest())
def test_any_fact_may_be_missing(key: str) -> None:
    facts = manifest()
    del facts[key]
    assert page(facts).html != page().html


def test_rejects_without_known_reasons_are_counted() -> None:
    assert "8 photos were rejected; the reasons are not known." in page(rejects={}).text("rejects")


def test_a_label_without_a_readable_photo_says_so() -> None:
    assert "Kiwi No photo to show." in page(samples={"Kiwi": []}).text("samples")


# Explained variance


@pytest.mark.parametrize("k", [1, 2, 57, 400])
def test_every_component_is_drawn_and_k_is_marked(k: int) -> None:
    shown = page(manifest(explained_variance=[0.951 / k] * k))
    assert len(shown.titles("Component [^<]*")) == len(shown.all("rect")) == k
    assert f"k = {k}: 95.1%" in shown.text("variance")
    assert "which reaches the target of 95%." in shown.text("variance")
    assert len(shown.all("line", **{"class": "target"})) == 1
    for bar in shown.all("rect"):
        assert -1 < float(bar["x"].rstrip("%")) < 100
        assert 0 < float(bar["height"].rstrip("%")) <= 100


@pytest.mark.parametrize(
    ("shares", "target", "said"),
    [
        ([0.5, 0.3], 0.95, "2 components keep 80.0% of the variance of the features; "
         "the target of 95% is not reached."),
        ([0.6, 0.2, 0.1], 0.75, "the target of 75% is reached by the first 2."),
        ([0.97], 0.95, "1 component keeps 97.0% of the variance of the features, "
         "which reaches the target of 95%."),
        ([0.7, 0.2], None, "2 components keep 90.0% of the variance of the features."),
        ([0.1] * 10, 1.0, "which reaches the target of 100%."),
    ],
)  # fmt: skip
def test_variance_is_compared_to_the_target(
    shares: list[float], target: float | None, said: str
) -> None:
    shown = page(manifest(explained_variance=shares, variance=target))
    assert said in shown.text("variance")
    assert len(shown.all("line", **{"class": "target"})) == (target is not None)


# The scatter


def test_points_are_placed_by_their_components() -> None:
    corners = [ScatterPoint(f"{x}{y}", "a", x, y) for x in (0, 10) for y in (0, 10)]
    marks = page(scatter=corners).all("use")
    places = [(float(m["x"].rstrip("%")), float(m["y"].rstrip("%"))) for m in marks]
    (left, bottom), (_, top), (right, _), _ = places
    assert (left, right) == pytest.approx((100 - right, 100 - left))
    assert 0 < left < 10
    assert (top, bottom) == pytest.approx((left, right)), "up is more"


def test_legend_buttons_refer_to_the_marks_of_their_label() -> None:
    shown = page()
    buttons = shown.all("button", **{"aria-pressed": "false", "type": "button"})
    assert [b["title"] for b in buttons] == ["Apple", "Kiwi", "no label"]
    for button, path in zip(buttons, ("Apple/1.jpg", "Kiwi/1.jpg", "loose.jpg"), strict=True):
        group = shown.html.split(f'<g id="{button["data-group"]}"')[1].split("</g>")[0]
        assert re.findall("<title>(.*?) —", group) == [path]


def test_only_labelled_points_are_coloured() -> None:
    marks = [a for a in page().all("g") if "mark" in a.get("class", "")]
    assert [(a["class"], "style" in a) for a in marks] == [
        ("mark none", False),
        ("mark", True),
        ("mark", True),
    ]
    assert [a["class"] for a in page(scatter=[POINTS[2]]).all("g") if "id" in a] == ["mark none"]


def test_points_that_are_not_finite_are_omitted() -> None:
    odd = [ScatterPoint("odd", "a", float("nan"), 0), ScatterPoint("far", "a", 0, float("inf"))]
    assert "There are no components to draw yet." in page(scatter=odd).text("scatter")
    assert len(page(scatter=[*odd, *POINTS]).all("use")) == len(POINTS)


def test_scatter_of_a_sample_says_so() -> None:
    assert "Each of the 3 marks is a photo out of 1,142;" in page().text("scatter")
    assert "out of" not in page(manifest(counts={"features": 3})).text("scatter")


@pytest.mark.parametrize("labels", [2, 28, 30])
def test_labels_are_visually_distinct(labels: int) -> None:
    on_light, on_dark, shapes = zip(*(label_style(i, labels) for i in range(labels)), strict=True)
    backgrounds = re.findall(r"--card: (#\w{6})", render(EMPTY))
    for colours, background in zip((on_light, on_dark), backgrounds, strict=True):
        assert min(contrast(colour, background) for colour in colours) >= 3
        for one, other in combinations(zip(colours, shapes, strict=True), 2):
            pairs = zip(rgb(one[0]), rgb(other[0]), strict=True)
            apart = sum(abs(a - b) for a, b in pairs)
            assert apart > (0.2 if one[1] == other[1] else 0.05), (one, other)


def test_oklch_converts_white_black_and_red() -> None:
    assert oklch(1, 0, chroma=0) == "#ffffff"
    assert oklch(0, 0, chroma=0) == "#000000"
    assert oklch(0.62796, 29.234, chroma=0.2576) == "#ff0000"


def rgb(colour: str) -> list[float]:
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2."""

    def luminance(colour: str) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb(colour)]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_text_contrast_meets_wcag() -> None:
    html = render(EMPTY)
    themes: list[dict[str, str]] = [
        dict(re.findall(r"--(\w+): (#\w{6});", css)) for css in html.split(":root {")[1:3]
    ]
    for theme in themes:
        for text in ("ink", "soft", "accent", "target"):
            assert contrast(theme[text], theme["card"]) >= 4.5
            assert contrast(theme[text], theme["page"]) >= 4.5
        assert contrast(theme["grey"], theme["card"]) >= 3


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


# Scales

numbers = st.floats(-1e100, 1e100)


@given(numbers, st.floats(1e-6, 1e6))
@example(0.0, 1.0)
@example(0.5, 1.0)
def test_axis_has_a_few_evenly_spaced_ticks(low: float, span: float) -> None:
    span *= max(1.0, abs(low))
    axis = Axis(low, low + span)
    places = [at for at, _ in axis.ticks]
    assert 2 <= len(places) <= 8
    assert all(-1e-6 <= at <= 100 + 1e-6 for at in places)
    steps = [after - before for before, after in pairwise(places)]
    assert steps == pytest.approx([steps[0]] * len(steps))
    assert len({text for _, text in axis.ticks}) == len(places)


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_any_finite_point_lies_inside_the_plot(places: list[tuple[float, float]]) -> None:
    shown = page(scatter=[ScatterPoint("p", "a", x, y) for x, y in places])
    for mark in shown.all("use"):
        assert 0 <= float(mark["x"].rstrip("%")) <= 100
        assert 0 <= float(mark["y"].rstrip("%")) <= 100


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
