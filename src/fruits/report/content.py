"""Gathers the content of the report from the results and the photos."""

from collections import Counter, defaultdict
from dataclasses import asdict
from operator import itemgetter
from typing import Any
from zlib import crc32

import pyarrow.compute as pc

from fruits.classifier.evaluate import Evaluation
from fruits.classifier.stored import read_evaluation, read_validation
from fruits.errors import FruitsError, PhotoError, ResultsError
from fruits.photos.decode import thumbnail
from fruits.report.render import ReportContent, SamplePhoto, ScatterPoint
from fruits.report.suspects import gather_suspects
from fruits.results import tables
from fruits.results.manifest import Manifest
from fruits.results.store import Results
from fruits.settings import Settings
from fruits.storage import open_folder
from fruits.storage.read_ahead import read_ahead

_POINTS = 4_000
_LABELS = 60
_SAMPLES_A_LABEL = 6
_THUMBNAIL = 96  # pixels


def gather(store: Results, settings: Settings) -> ReportContent:
    """The content for `render`. Photos that can't be read any more are left out."""
    manifest = store.current()
    counted = store.read(manifest.rejects, ["reason"])["reason"].value_counts().to_pylist()
    return ReportContent(
        manifest=asdict(manifest),
        scatter=_scatter(store, manifest),
        samples=_samples(store, manifest, settings.max_megapixels * 1_000_000),
        rejects={reason["values"]: reason["counts"] for reason in counted},
        training=manifest.classifier,
        evaluation=_evaluation(store, manifest),
        suspects=gather_suspects(store, settings),
    )


def _evaluation(store: Results, manifest: Manifest) -> Evaluation | None:
    """The last evaluation on photos, or else the cross-validation in training."""
    if "classifier" not in manifest.models:
        return None
    try:
        return read_evaluation(store) or read_validation(store)
    except ResultsError:
        return None  # its file is missing, which is no reason to have no report


def _scatter(store: Results, manifest: Manifest) -> list[ScatterPoint]:
    """The first two components of a few thousand rows; the second is 0 if only one was kept.

    The sample depends only on the paths.
    """
    points: list[tuple[int, ScatterPoint]] = []
    several = len(manifest.explained_variance or []) > 1
    for file in manifest.reduced or []:
        rows = tables.read_file(store.folder, file)
        components = rows["components"].combine_chunks()
        x = pc.list_element(components, 0).to_pylist()
        y = pc.list_element(components, 1).to_pylist() if several else [0.0] * len(rows)
        for point in zip(rows["path"].to_pylist(), rows["label"].to_pylist(), x, y, strict=True):
            points.append((crc32(point[0].encode()), ScatterPoint(*point)))
        points = sorted(points, key=itemgetter(0))[:_POINTS]
    return [point for _, point in points]


def _samples(
    store: Results, manifest: Manifest, max_pixels: int
) -> dict[str | None, list[SamplePhoto]]:
    """The first few photos of each label, as thumbnails."""
    keys = store.read(manifest.features, ["path", "label"])
    chosen: list[dict[str, Any]] = []
    taken: Counter[str | None] = Counter()
    for row in keys.sort_by([("label", "ascending"), ("path", "ascending")]).to_pylist():
        if taken[row["label"]] < _SAMPLES_A_LABEL and len(chosen) < _LABELS * _SAMPLES_A_LABEL:
            taken[row["label"]] += 1
            chosen.append(row)
    samples: dict[str | None, list[SamplePhoto]] = defaultdict(list)
    try:
        folder = open_folder(manifest.photos)
        read = read_ahead(lambda row: folder.read(row["path"]), chosen, lambda _: 0, in_flight=8)
        for row, data in read:
            if isinstance(data, PhotoError):
                continue
            try:
                picture = thumbnail(data, _THUMBNAIL, max_pixels)
            except PhotoError:  # the photo has changed since, or is too large
                continue
            samples[row["label"]].append(SamplePhoto(row["path"], picture))
    except FruitsError:
        return {}  # the photos are not accessible from here; show the rest of the report
    return dict(samples)
