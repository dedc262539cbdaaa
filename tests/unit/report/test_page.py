"""report.html is self-contained, escapes hostile names and has a text for missing data."""

import base64
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reports import EMPTY, JPEG, KEY, Page, contrast, manifest, page

from fruits.report.render import ReportContent, SamplePhoto, render
from fruits.report.scatter import ScatterPoint

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
    points = [ScatterPoint(name, name, 0, 0), ScatterPoint(f"{name}/2", name, 1, 1)]
    pictures = {f"{name}/2": SamplePhoto(f"{name}/2", JPEG, KEY)}
    return page(facts, points, {name: [SamplePhoto(name, JPEG)]}, {name: 8}, pictures)


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
