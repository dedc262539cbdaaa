"""Reports of made-up results, and a parser for them."""

import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from typing import Any

from fruits.report.render import ReportContent, SamplePhoto, render
from fruits.report.scatter import ScatterPoint

Samples = Mapping[str | None, Sequence[SamplePhoto]]
VOID = {"meta", "link", "img", "wbr"}
JPEG = b"\xff\xd8\xff\xe0 a small picture \xff\xd9"
KEY = "of-Apple_1-12345"
"""The key of a picture: 16 characters, as `thumbnails.Photo.key` makes them."""


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
    samples: Samples | None = None,
    rejects: Mapping[str, int] | None = None,
    pictures: Mapping[str, SamplePhoto] | None = None,
) -> Page:
    if samples is None:
        samples = {"Apple": [SamplePhoto("Apple/1.jpg", JPEG, KEY)]}
    return Page(
        render(
            ReportContent(
                manifest() if facts is None else facts,
                scatter,
                samples,
                {"empty file": 8} if rejects is None else rejects,
                pictures=pictures or {},
            )
        )
    )


EMPTY = ReportContent({}, [], {}, {})


def rgb(colour: str) -> list[float]:
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2."""

    def luminance(colour: str) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb(colour)]
        return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
