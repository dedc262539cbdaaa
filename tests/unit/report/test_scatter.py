"""The scatter: places, colours, legend and pictures of the points."""

import base64
import json
import re
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reports import EMPTY, JPEG, KEY, POINTS, Page, contrast, manifest, page, rgb

from fruits.report.render import SamplePhoto, render
from fruits.report.scatter import ScatterPoint, label_style, oklch

numbers = st.floats(-1e100, 1e100)


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
    buttons = shown.all("button", **{"class": "label", "type": "button"})
    assert [b["title"] for b in buttons] == ["Apple", "Kiwi", "no label"]
    for button, path in zip(buttons, ("Apple/1.jpg", "Kiwi/1.jpg", "loose.jpg"), strict=True):
        group = shown.html.split(f'<g id="{button["data-group"]}"')[1].split("</g>")[0]
        assert re.findall("<title>(.*?) —", group) == [path]


def test_nothing_that_needs_the_script_is_offered_without_it() -> None:
    shown = page()
    buttons = shown.all("button")
    assert len(buttons) == 2 + 2 * 3
    assert all("hidden" in button or "disabled" in button for button in buttons)
    assert "hidden" in shown.all("span", id="hint")[0]
    assert "hidden" in shown.all("div", id="card")[0]


def thumbnails(shown: Page) -> dict[str, str]:
    """The pictures in the data of the script."""
    data = shown.html.split('<script type="application/json" id="thumbnails">')[1]
    found: dict[str, str] = json.loads(data.split("</script>")[0])
    return found


def test_each_picture_is_in_the_page_once() -> None:
    kiwi = SamplePhoto("Kiwi/1.jpg", b"\xff\xd8 a kiwi", "of-Kiwi_1-123456")
    pictures = {"Apple/1.jpg": SamplePhoto("Apple/1.jpg", JPEG, KEY), "Kiwi/1.jpg": kiwi}
    shown = page(pictures=pictures)
    assert [use.get("data-photo") for use in shown.all("use")] == [None, KEY, kiwi.key]
    assert [image["data-photo"] for image in shown.all("img")] == [KEY]
    assert thumbnails(shown) == {kiwi.key: base64.b64encode(kiwi.thumbnail).decode()}
    assert "its photo (2 of the marks have one here);" in shown.text("scatter")
    assert "one here" not in page(scatter=POINTS[:2], pictures=pictures).text("scatter")


def test_the_data_of_the_script_ends_with_its_element() -> None:
    """Keys and pictures have no characters that need escaping; they are escaped all the same."""
    key = "</script><script>alert(1)</script><!--\"'"
    hostile = SamplePhoto("Kiwi/1.jpg", b"</script><!--", key)
    shown = page(pictures={"Kiwi/1.jpg": hostile})
    usual = page(pictures={"Kiwi/1.jpg": SamplePhoto("Kiwi/1.jpg", JPEG, KEY)})
    assert [tag for tag, _ in shown.tags] == [tag for tag, _ in usual.tags]
    assert list(thumbnails(shown)) == [key]


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


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5))
@settings(max_examples=40, deadline=None)
def test_any_finite_point_lies_inside_the_plot(places: list[tuple[float, float]]) -> None:
    shown = page(scatter=[ScatterPoint("p", "a", x, y) for x, y in places])
    for mark in shown.all("use"):
        assert 0 <= float(mark["x"].rstrip("%")) <= 100
        assert 0 <= float(mark["y"].rstrip("%")) <= 100
