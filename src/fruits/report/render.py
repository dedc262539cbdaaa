"""Renders the results of a run as one self-contained HTML page with plots.

This module computes what is drawn (scales, ticks, colours, order); `report.html.j2` draws it. The
page loads no external resources. All paths, labels and reasons are untrusted text: the template is
rendered with autoescape on, and none of them is used in CSS or scripts.
"""

import base64
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import accumulate
from typing import Any

from jinja2 import Template

from fruits.classifier.evaluate import Confusion, Evaluation
from fruits.report.suspects import Suspects
from fruits.results.manifest import Training
from fruits.templates import environment

MAX_BARS = 40
"""Maximum number of bars shown initially for labels and reasons; the others can be expanded."""
MAX_MATRIX_LABELS = 60
"""Maximum number of labels for a confusion matrix; beyond it, only the top confusions are shown."""
MAX_SAMPLE_LABELS = 60
"""Maximum number of labels with sample photos."""
SHAPES = 5
"""Number of mark shapes in the template."""
# OKLCH lightness of the marks: distinct, and with a contrast of at least 3:1 to the page.
_ON_LIGHT = (0.62, 0.42, 0.52)
_ON_DARK = (0.85, 0.61, 0.73)


@dataclass(frozen=True)
class ScatterPoint:
    """The first two principal components of a photo."""

    path: str
    label: str | None
    x: float
    y: float


@dataclass(frozen=True)
class SamplePhoto:
    """A sample photo, as a small JPEG without metadata."""

    path: str
    thumbnail: bytes


@dataclass(frozen=True)
class ReportContent:
    """The content of the page. All of it may be empty, and keys of the manifest may be missing."""

    manifest: Mapping[str, Any]
    scatter: Sequence[ScatterPoint]
    samples: Mapping[str | None, Sequence[SamplePhoto]]
    rejects: Mapping[str, int]
    training: Training | None = None
    evaluation: Evaluation | None = None
    suspects: Suspects | None = None


@dataclass(frozen=True)
class Axis:
    """A linear scale from data to percent of the plot's width or height."""

    low: float
    high: float
    unit: str = ""
    least_step: float = 0.0

    def at(self, value: float) -> float:
        """The position of a value, in percent from the low end."""
        return 100 * (value - self.low) / (self.high - self.low)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """At most eight (position in percent, text), 1, 2 or 5 times a power of ten apart."""
        rough = (self.high - self.low) / 7
        power = 10.0 ** math.floor(math.log10(rough))
        step = max(self.least_step, power * next(n for n in (1, 2, 5, 10) if n * power >= rough))
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        values = (n * step for n in range(math.ceil(self.low / step), int(self.high // step) + 1))
        return [
            (self.at(v), f"{v:,.{digits}f}".replace("-", "\N{MINUS SIGN}") + self.unit)
            for v in values
        ]


def render(content: ReportContent) -> str:
    """Renders the page, as text that can be encoded as UTF-8."""
    manifest = {key: value for key, value in content.manifest.items() if value is not None}
    counts: Mapping[str, int] = manifest.get("counts", {})
    labels: Mapping[str, int] = manifest.get("labels", {})
    seconds: Mapping[str, float] = manifest.get("seconds", {})
    page = _template().render(
        manifest=manifest,
        created=_moment(manifest.get("created")),
        counts=counts,
        named_labels=sum(1 for label in labels if label),
        rate=(counts.get("featurized") or 0) / (seconds.get("featurize") or math.inf),
        variance=_variance(manifest.get("explained_variance", ()), manifest.get("variance")),
        scatter=_scatter(content.scatter),
        recognition=_recognition(content.training, content.evaluation),
        suspects=content.suspects,
        labels=_bars(labels),
        samples=_samples(content.samples),
        sample_labels=max(len(labels), len(content.samples)),
        rejects=_bars(content.rejects),
        seconds=seconds,
        erased=[(_moment(e.get("when")), e.get("photos")) for e in manifest.get("erased", ())],
        max_bars=MAX_BARS,
    )
    # File names that are not valid UTF-8 contain lone surrogates, which can't be encoded.
    return page.encode("utf-8", "replace").decode("utf-8")


@cache
def _template() -> Template:
    templates = environment()
    templates.filters |= {"percent": _percent, "duration": _duration, "count": "{:,}".format}
    return templates.get_template("report/report.html.j2")


def label_style(index: int, labels: int) -> tuple[str, str, int]:
    """(colour on light, colour on dark, shape) for label `index` out of `labels`.

    Hues go around the colour circle in label order; lightness and shape change at every step, with
    periods 3 and 5, so labels that share both are at least 15 hues apart.
    """
    hue = 360 * index / labels + 25
    turn = index % len(_ON_LIGHT)
    return oklch(_ON_LIGHT[turn], hue), oklch(_ON_DARK[turn], hue), index % SHAPES


def oklch(lightness: float, hue: float, chroma: float = 0.16) -> str:
    """An OKLCH colour as #rrggbb, with its chroma reduced to fit into sRGB.

    The matrices are from Björn Ottosson, "A perceptual color space for image processing".
    """
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )
    if chroma > 0 and not all(0 <= c <= 1 for c in linear):
        return oklch(lightness, hue, max(0.0, chroma - 0.005))
    gamma = (12.92 * c if c <= 0.0031308 else 1.055 * c ** (1 / 2.4) - 0.055 for c in linear)
    return "#" + "".join(f"{round(255 * min(max(c, 0.0), 1.0)):02x}" for c in gamma)


def _variance(shares: Sequence[float], target: float | None) -> dict[str, Any] | None:
    if not shares:
        return None
    sums = [min(1.0, total) for total in accumulate(shares)]  # rounding may exceed 1
    across = Axis(0.5, len(shares) + 0.5, least_step=1)
    return {
        "k": len(shares),
        "target": target,
        "reached": target and next((n for n, s in enumerate(sums, 1) if s >= target - 1e-9), None),
        "components": [
            (n, across.at(n), *pair) for n, pair in enumerate(zip(shares, sums, strict=True), 1)
        ],
        "across": across,
        "up": Axis(0, 100 * max(*shares, 1e-6) * 1.05, "%"),
    }


def _scatter(points: Sequence[ScatterPoint]) -> dict[str, Any] | None:
    groups: dict[str, list[ScatterPoint]] = {}
    for point in points:
        if math.isfinite(point.x) and math.isfinite(point.y):
            groups.setdefault(point.label or "", []).append(point)
    if not groups:
        return None
    shown = [point for group in groups.values() for point in group]
    names = sorted(filter(None, groups), key=lambda name: (name.casefold(), name))
    styled = [(name, label_style(i, len(names)), groups[name]) for i, name in enumerate(names)]
    unlabelled = [("", None, groups[""])] if "" in groups else []
    return {
        "groups": unlabelled + styled,
        "legend": styled + unlabelled,
        "count": len(shown),
        "across": _axis_around([point.x for point in shown]),
        "up": _axis_around([point.y for point in shown]),
        "scale": round(min(1.0, max(0.55, (800 / len(shown)) ** 0.25)), 2),
    }


def _axis_around(values: Sequence[float]) -> Axis:
    low, high = min(values), max(values)
    margin = 0.05 * (high - low) or 0.1 * abs(high) or 1.0
    return Axis(low - margin, high + margin)


def _recognition(training: Training | None, evaluation: Evaluation | None) -> dict[str, Any] | None:
    if not training or not evaluation:
        return None
    mistakes = {
        f"{pair.label} taken for {pair.predicted}": pair.photos
        for pair in evaluation.confusion
        if pair.label != pair.predicted
    }
    return {
        "training": training,
        "evaluation": evaluation,
        "metrics": [
            (name.replace("_", " "), evaluation.metrics[name], interval)
            for name, interval in evaluation.intervals.items()
        ],
        "baselines": [
            (name.replace("_", " "), baseline.accuracy, baseline.interval)
            for name, baseline in evaluation.baselines.items()
        ],
        "matrix": _matrix(evaluation.confusion),
        "mistakes": _bars(mistakes)[:10],
    }


def _matrix(confusion: Sequence[Confusion]) -> dict[str, Any] | None:
    """Its labels, and (row, column, share of the row, text) for each non-empty cell."""
    names = sorted({name for pair in confusion for name in (pair.label, pair.predicted)})
    if len(names) > MAX_MATRIX_LABELS:
        return None
    position = {name: i for i, name in enumerate(names)}
    total: Counter[str] = Counter()
    for pair in confusion:
        total[pair.label] += pair.photos
    cells = [
        (
            position[pair.label],
            position[pair.predicted],
            pair.photos / total[pair.label],
            f"{pair.label} → {pair.predicted}: {pair.photos} of {total[pair.label]}",
        )
        for pair in confusion
    ]
    return {"labels": names, "cells": cells}


def _bars(numbers: Mapping[str, int]) -> list[tuple[str, int, float]]:
    """(text, number, percent of the largest), the largest first."""
    largest = max(numbers.values(), default=0) or 1
    rows = sorted(numbers.items(), key=lambda row: (-row[1], row[0].casefold(), row[0]))
    return [(text, number, 100 * number / largest) for text, number in rows]


def _samples(
    samples: Mapping[str | None, Sequence[SamplePhoto]],
) -> list[tuple[str, list[tuple[str, str]]]]:
    rows = sorted(samples.items(), key=lambda row: (not row[0], (row[0] or "").casefold()))
    return [
        (label or "", [(p.path, base64.b64encode(p.thumbnail).decode("ascii")) for p in photos])
        for label, photos in rows[:MAX_SAMPLE_LABELS]
    ]


def _moment(iso: str | None) -> str | None:
    try:
        when = datetime.fromisoformat(iso or "")
    except ValueError:
        return iso
    return f"{when.astimezone(UTC) if when.tzinfo else when:%Y-%m-%d %H:%M} UTC"


def _percent(ratio: float) -> str:
    return f"{100 * ratio:.1f}%" if ratio >= 0.01 or ratio == 0 else f"{100 * ratio:.2g}%"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"
