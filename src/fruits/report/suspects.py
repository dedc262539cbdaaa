"""The section «Look at these» of the report: what it shows, and its thumbnails."""

from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fruits.errors import FruitsError, PhotoError
from fruits.photos.decode import thumbnail
from fruits.results.store import Results
from fruits.settings import Settings
from fruits.storage import open_folder
from fruits.storage.read_ahead import read_ahead
from fruits.suspects.table import DUPLICATE, LABEL, OUTLIER
from fruits.suspects.update import read_suspects

_SHOWN = 12
"""Rows or groups of each kind; suspects.csv has the others."""
_IN_GROUP = 6
_SIDE = 112  # pixels

Row = dict[str, Any]


@dataclass(frozen=True)
class Suspects:
    """The rows to show, the worst first, and thumbnails of their photos as far as there are any."""

    groups: list[list[Row]] = field(default_factory=list)
    labels: list[Row] = field(default_factory=list)
    outliers: list[Row] = field(default_factory=list)
    counts: Mapping[str, int] = field(default_factory=dict)  # groups, and rows of the other kinds
    across: int = 0  # groups with several labels
    pictures: Mapping[str, str] = field(default_factory=dict)  # path -> JPEG in base64


def gather_suspects(store: Results, settings: Settings) -> Suspects | None:
    """The suspects to show; None if they were not looked for."""
    table = read_suspects(store)
    if table is None:
        return None
    rows = table.to_pylist()
    by_group: dict[int, list[Row]] = {}
    for row in rows:
        if row["kind"] == DUPLICATE:
            by_group.setdefault(row["group"], []).append(row)
    groups = list(by_group.values())
    labels = [row for row in rows if row["kind"] == LABEL]
    outliers = [row for row in rows if row["kind"] == OUTLIER]
    shown = Suspects(
        groups[:_SHOWN],
        labels[:_SHOWN],
        outliers[: 2 * _SHOWN],
        {"groups": len(groups), "labels": len(labels), "outliers": len(outliers)},
        sum(bool(group[0]["across_labels"]) for group in groups),
    )
    paths = [row["path"] for group in shown.groups for row in group[:_IN_GROUP]]
    paths += [path for row in shown.labels for path in (row["path"], row["nearest"])]
    paths += [row["path"] for row in shown.outliers]
    pictures = _thumbnails(store.current().photos, paths, settings.max_megapixels * 1_000_000)
    return Suspects(**{**vars(shown), "pictures": pictures})


def _thumbnails(photos: str, paths: Iterable[str | None], max_pixels: int) -> dict[str, str]:
    """The thumbnails of these photos, without those that can't be read any more."""
    wanted = list(dict.fromkeys(path for path in paths if path))
    pictures: dict[str, str] = {}
    try:
        folder = open_folder(photos)
        for path, data in read_ahead(folder.read, wanted, lambda _: 0, in_flight=8):
            if isinstance(data, PhotoError):
                continue
            try:
                picture = thumbnail(data, _SIDE, max_pixels)
            except PhotoError:  # the photo has changed since
                continue
            pictures[path] = b64encode(picture).decode("ascii")
    except FruitsError:
        return {}  # the photos are not accessible from here: their paths say which they are
    return pictures
