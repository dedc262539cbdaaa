"""Renders the results of a run as one self-contained HTML page with plots.

This module computes what is drawn (scales, ticks, colours, order); `report.html.j2` draws it. The
page loads no external resources. All paths, labels and reasons are untrusted text: the template is
rendered with autoescape on, and none of them is used in CSS or in the text of scripts.
"""

import math
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import accumulate
from typing import Any

from jinja2 import Template

from fruits.classifier.evaluation import Confusion, Evaluation
from fruits.report.axis import Axis
from fruits.report.scatter import ScatterPoint, scatter
from fruits.report.suspects import IN_GROUP, Suspects
from fruits.results.manifest import Training
from fruits.templates import environment

MAX_BARS = 40
"""Maximum number of bars shown initially for labels and reasons; the others can be expanded."""
MAX_MATRIX_LABELS = 60
"""Maximum number of labels for a confusion matrix; beyond it, only the top confusions are shown."""
MAX_SAMPLE_LABELS = 60
"""Maximum number of labels with sample photos."""


@dataclass(frozen=True)
class SamplePhoto:
    """A photo, as a small JPEG without metadata."""

    path: str
    thumbnail: bytes
    key: str = ""
    """Of the state of the photo, for later reports and the script: `[A-Za-z0-9_-]*`."""


@dataclass(frozen=True)
class ReportContent:
    """The content of the page. All of it may be empty, and keys of the manifest may be missing."""

    manifest: Mapping[str, Any]
    scatter: Sequence[ScatterPoint]
    samples: Mapping[str | None, Sequence[SamplePhoto]]
    rejects: Mapping[str, int]
    training: Training | None = None
    evaluation: Evaluation | None = None
    pictures: Mapping[str, SamplePhoto] = field(default_factory=dict)
    """Photos of suspects and of points of the scatter, by path."""
    suspects: Suspects | None = None


def render(content: ReportContent) -> str:
    """Renders the page, as text that can be encoded as UTF-8."""
    manifest = {key: value for key, value in content.manifest.items() if value is not None}
    counts: Mapping[str, int] = manifest.get("counts", {})
    labels: Mapping[str, int] = manifest.get("labels", {})
    seconds: Mapping[str, float] = manifest.get("seconds", {})
    samples = _samples(content.samples)
    there = {photo.key for _, photos in samples for photo in photos}
    for path in content.suspects.paths if content.suspects else []:
        there |= {content.pictures[path].key} if path in content.pictures else set()
    page = _template().render(
        manifest=manifest,
        created=_moment(manifest.get("created")),
        counts=counts,
        named_labels=sum(1 for label in labels if label),
        rate=(counts.get("featurized") or 0) / (seconds.get("featurize") or math.inf),
        variance=_variance(manifest.get("explained_variance", ()), manifest.get("variance")),
        scatter=scatter(content.scatter, {path: p.key for path, p in content.pictures.items()}),
        thumbnails=_thumbnails(content.pictures, there),
        recognition=_recognition(content.training, content.evaluation),
        suspects=content.suspects,
        in_group=IN_GROUP,
        pictures=content.pictures,
        labels=_bars(labels),
        samples=samples,
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
    templates.filters["base64"] = _base64
    return templates.get_template("report/report.html.j2")


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
) -> list[tuple[str, Sequence[SamplePhoto]]]:
    rows = sorted(samples.items(), key=lambda row: (not row[0], (row[0] or "").casefold()))
    return [(label or "", photos) for label, photos in rows[:MAX_SAMPLE_LABELS]]


def _thumbnails(pictures: Mapping[str, SamplePhoto], there: Set[str]) -> dict[str, str]:
    """The pictures in base64, by key, other than those that are in an element of the page."""
    return {p.key: _base64(p.thumbnail) for p in pictures.values() if p.key not in there}


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")


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
