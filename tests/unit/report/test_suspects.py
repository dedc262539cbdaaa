"""The section «Look at these»: what it shows of suspects, with and without pictures."""

from html import escape
from typing import Any

from fruits.report.render import ReportContent, render
from fruits.report.suspects import Suspects

HOSTILE = '<script>alert(1)</script>" onload="x'


def section(suspects: Suspects | None) -> str:
    page = render(ReportContent({}, [], {}, {}, suspects=suspects))
    return page.partition('<section id="suspects"')[2].partition("</section>")[0]


def row(path: str, label: str | None = "Lime", **others: Any) -> dict[str, Any]:
    empty = {"suggested_label": None, "nearest": None, "nearest_label": None}
    return {"path": path, "label": label, "across_labels": None, **empty, **others}


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
            pictures=dict.fromkeys(("a.jpg", "b.jpg", "c.jpg", "d.jpg"), "AAAA"),
        )
    )
    assert shown.count('src="data:image/jpeg;base64,AAAA"') == 4
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
            pictures={HOSTILE: "AAAA"},
        )
    )
    assert "<script>" not in shown
    assert 'onload="x' not in shown
    assert escape("<script>alert") in shown
    assert "and 2 more" in shown
