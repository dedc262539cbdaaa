"""The scatter of the first two components: its groups, their colours and shapes, its axes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fruits.report.axis import Axis

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


def scatter(points: Sequence[ScatterPoint], pictures: Mapping[str, str]) -> dict[str, Any] | None:
    """What the template draws; `pictures` are the keys of the photos there are, by path."""
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
        "pictures": pictures,
        "pictured": sum(point.path in pictures for point in shown),
        "across": _axis_around([point.x for point in shown]),
        "up": _axis_around([point.y for point in shown]),
        "scale": round(min(1.0, max(0.55, (800 / len(shown)) ** 0.25)), 2),
    }


def _axis_around(values: Sequence[float]) -> Axis:
    low, high = min(values), max(values)
    margin = 0.05 * (high - low) or 0.1 * abs(high) or 1.0
    return Axis(low - margin, high + margin)


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
