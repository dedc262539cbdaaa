"""Plots: the features of a photo, explained variance, and photos by their principal components.

Matplotlib draws marks, axes and numbers only. Labels, which are untrusted text in any script, stand
in the HTML below the plot: there they are escaped, and no font lacks their letters.
"""

import io
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from fruits.errors import SettingsError
from fruits.notebook.html import (
    NO_LABEL,
    Html,
    Mark,
    data_uri,
    html,
    marks_of,
)
from fruits.photos.decode import prepare
from fruits.settings import Settings, load

if TYPE_CHECKING:
    import pandas as pd

_DPI = 160
_CSS_PIXELS = 96  # per inch
_ROWS = 20  # of the picture of the features
_POINTS = 4_000
_MARKERS = "os^Dv"
"""Of matplotlib, in the order of `html.SHAPES`."""
_GREEN, _GREY = "#006d2c", "#8a8a8a"


def plot_features(
    photo: bytes, features: NDArray[np.float32], settings: Settings | None = None
) -> Html:
    """A photo as the network sees it, beside its features as a heat map, row by row.

    `photo` is its bytes, and `features` what `features_of` computes from them.

    Raises:
        PhotoError: it is not a usable image.
    """
    pixels = (prepare(photo, (settings or load()).max_pixels) + 1) / 2
    figure = _figure(9, 3.2)
    left, right = figure.subplots(1, 2, width_ratios=(1, 2.2))
    left.imshow(pixels.clip(0, 1))
    left.set_title(f"{pixels.shape[1]} × {pixels.shape[0]} pixels")
    left.axis("off")
    rows = features.reshape(_ROWS, -1)
    right.set_title(f"{features.size:,} features, {_ROWS} rows of {rows.shape[1]}")
    heat = right.imshow(rows, cmap="viridis", aspect="auto", interpolation="nearest")
    right.set(xticks=[], yticks=[])
    figure.colorbar(heat, ax=right)
    zeros = int((features == 0).sum())
    alt = f"The photo, and its {features.size} features: {zeros} are 0, the largest is "
    return _shown(figure, f"{alt}{features.max():.1f}.")


def plot_variance(explained_variance: Sequence[float] | NDArray[np.float64]) -> Html:
    """The variance that each principal component explains, and all up to it together."""
    shares = [float(share) for share in explained_variance]
    sums = list(accumulate(shares))
    numbers = range(1, len(shares) + 1)
    figure = _figure(8, 3.6)
    axes = figure.subplots()
    axes.bar(numbers, [100 * share for share in shares], color=_GREY, label="each component")
    axes.plot(numbers, [100 * total for total in sums], color=_GREEN, label="together")
    axes.plot(len(shares), 100 * sums[-1], "o", color=_GREEN)
    said = f"{len(shares)} components: {sums[-1]:.1%}"
    axes.annotate(
        said, (len(shares), 100 * sums[-1]), (-6, -26), textcoords="offset points", ha="right"
    )
    axes.set(xlabel="component", ylabel="explained variance (%)", ylim=(0, 105))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(loc="center right", frameon=False)
    axes.grid(axis="y", alpha=0.3)
    return _shown(figure, f"Explained variance. {said}.")


def plot_components(table: "pd.DataFrame", x: str = "pc_1", y: str = "pc_2") -> Html:
    """Photos at two of their principal components, with the colour and shape of their label.

    `table` has these two columns and `path` and `label`, as `read_csv` returns them. Of more than
    4,000 photos, a sample is shown.
    """
    if len(table) > _POINTS:
        order = table["path"].map(lambda path: crc32(path.encode()))
        table = table.loc[order.nsmallest(_POINTS).index]
    label = table["label"].fillna(NO_LABEL)
    marks = marks_of(label)
    figure = _figure(8, 5)
    axes = figure.subplots()
    for name, mark in marks.items():
        rows = table[label == name]
        up = rows[y] if y in rows else np.zeros(len(rows))  # a single component
        axes.scatter(
            *(rows[x], up),
            s=30,
            marker=_MARKERS[mark.shape],
            color=mark.colour,
            edgecolors="white",
            linewidths=0.5,
        )
    axes.set(xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    alt = f"{len(table)} photos of {len(marks)} labels by {x} and {y}."
    return _shown(figure, alt, marks)


def _figure(width: float, height: float) -> Any:
    """An empty figure, in inches, that pyplot does not know: it is shown once, where it stands."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise SettingsError("plots need matplotlib: run `pip install matplotlib`") from None
    return Figure((width, height), dpi=_DPI, layout="constrained", facecolor="white")


def _shown(figure: Any, alt: str, marks: Mapping[str, Mark] | None = None) -> Html:
    out = io.BytesIO()
    figure.savefig(out, format="png")
    width = round(figure.get_figwidth() * _CSS_PIXELS)
    return html("plot", data_uri(out.getvalue(), "png"), alt, width, marks or {})
