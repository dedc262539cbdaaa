"""The section «Look at these»: what it shows of suspects, with and without pictures."""

from collections.abc import Mapping
from html import escape
from typing import Any

from reports import JPEG

from fruits.report.render import ReportContent, SamplePhoto, render
from fruits.report.suspects import Suspects
from fruits.report.thumbnails import Photo, in_report

HOSTILE = '<script>alert(1)</script>" onload="x'


def section(suspects: Suspects | None, pictures: Mapping[str, SamplePhoto] | None = None) -> str:
    page = render(ReportContent({}, [], {}, {}, suspects=suspects, pictures=pictures or {}))
    return page.partition('<section id="suspects"')[2].partition("</section>")[0]


def row(path: str, label: str | None = "Lime", **others: Any) -> dict[str, Any]:
    empty = {"suggested_label": None, "nearest": None, "nearest_label": None}
    return {"path": path, "label": label, "across_labels": None, **empty, **others}


def photo(path: str) -> SamplePhoto:
    return SamplePhoto(path, JPEG, Photo(path, None, "1").key)


def test_nothing_was_looked_for() -> None:
    assert "<code>fruits check</code>" in section(None)


def test_nothing_was_found() -> None:
    assert "No near-duplicates" in section(Suspects())


def test_each_kind_is_shown_with_pictures_and_paths() -> None:
    shown = section(
        Suspects(
            groups=[[row("a.jpg", across_labels=True), row("b.jpg", None, across_labels=True)]],
            labels=[row("c.jpg", suggested_label="Kiwi", nearest="d.jpg", nearest_label="Kiwi")],
            outliers=[row("e.jpg")],
            counts={"groups": 30, "labels": 1, "outliers": 1},
            across=1,
        ),
        {path: photo(path) for path in ("a.jpg", "b.jpg", "c.jpg", "d.jpg")},
    )
    assert shown.count('src="data:image/jpeg;base64,/9j/') == 4
    assert shown.count("no picture") == 1
    for path in "abcde":
        assert f"<bdi>{path}.jpg</bdi>" in shown
    assert "Across labels" in shown
    assert "30 groups, 1 across labels" in shown
    assert "29 more groups are in" in shown
    assert "no label" in shown


def test_names_are_only_text() -> None:
    hostile = row(HOSTILE, HOSTILE, suggested_label=HOSTILE, nearest=HOSTILE, nearest_label=HOSTILE)
    shown = section(
        Suspects(
            groups=[[{**hostile, "across_labels": True}] * 8],
            labels=[hostile],
            outliers=[hostile],
            counts={"groups": 1, "labels": 1, "outliers": 1},
        ),
        {HOSTILE: photo(HOSTILE)},
    )
    assert "<script>" not in shown
    assert 'onload="x' not in shown
    assert escape("<script>alert") in shown
    assert "and 2 more" in shown


def test_a_photo_that_is_shown_is_not_in_the_data_of_the_script_too() -> None:
    pictures = {path: photo(path) for path in ("shown.jpg", "point.jpg")}
    suspects = Suspects(outliers=[row("shown.jpg")], counts={"outliers": 1})
    page = render(ReportContent({}, [], {}, {}, suspects=suspects, pictures=pictures))
    for picture in pictures.values():
        assert page.count(picture.key) == 1
    assert page.count("/9j/") == 2
    assert in_report(page.encode()) == {photo.key: JPEG for photo in pictures.values()}
