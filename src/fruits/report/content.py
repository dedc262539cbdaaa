"""Gathers the content of the report from the results and the photos."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from operator import itemgetter
from zlib import crc32

import pyarrow as pa
import pyarrow.compute as pc

from fruits.classifier.evaluation import Evaluation
from fruits.classifier.stored import read_evaluation, read_validation
from fruits.errors import ResultsError
from fruits.progress import Count
from fruits.report.render import ReportContent, SamplePhoto
from fruits.report.scatter import ScatterPoint
from fruits.report.suspects import Suspects, gather_suspects
from fruits.report.thumbnails import Photo, in_report, thumbnails
from fruits.results import tables
from fruits.results.manifest import Manifest
from fruits.results.store import REPORT, Results
from fruits.settings import Settings

_POINTS = 4_000
_LABELS = 60
_SAMPLES_A_LABEL = 6
# The page has up to four megabytes: half of one is points, the others are pictures in base64.
_PICTURE_BYTES = 2_600_000
_PICTURES = 1_300  # as many as fit, usually; no more are read
_READ_BYTES = 128 * 2**20
"""Photos of points that one report reads, beyond the samples; the next report continues."""


def gather(store: Results, settings: Settings, count: Count | None = None) -> ReportContent:
    """The content for `render`. Photos that can't be read any more are left out."""
    manifest = store.current()
    counted = store.read(manifest.rejects, ["reason"])["reason"].value_counts().to_pylist()
    scatter = scatter_points(store, manifest)
    max_pixels = settings.max_pixels
    suspects = gather_suspects(store)
    samples, pictures = _photos(store, manifest, scatter, suspects, max_pixels, count or Count())
    return ReportContent(
        manifest=asdict(manifest),
        scatter=scatter,
        samples=samples,
        pictures=pictures,
        rejects={reason["values"]: reason["counts"] for reason in counted},
        training=manifest.classifier,
        evaluation=_evaluation(store, manifest),
        suspects=suspects,
    )


def _evaluation(store: Results, manifest: Manifest) -> Evaluation | None:
    """The last evaluation on photos, or else the cross-validation in training."""
    if "classifier" not in manifest.models:
        return None
    try:
        return read_evaluation(store) or read_validation(store)
    except ResultsError:
        return None  # its file is missing, which is no reason to have no report


def scatter_points(store: Results, manifest: Manifest) -> list[ScatterPoint]:
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


def _photos(
    store: Results,
    manifest: Manifest,
    scatter: Sequence[ScatterPoint],
    suspects: Suspects | None,
    max_pixels: int,
    count: Count,
) -> tuple[dict[str | None, list[SamplePhoto]], dict[str, SamplePhoto]]:
    """The first few photos of each label, and those of suspects and of points by path."""
    keys = store.read(manifest.features, ["path", "label", "version"])
    first, points = _first_of_labels(keys), _evenly(scatter, keys)
    suspect = suspects.paths if suspects else []
    needed = [*first, *_photos_of(keys, suspect)]
    former = in_report(store.former_report or store.folder.read_if_there(REPORT) or b"")
    found = thumbnails(
        manifest.photos, needed, points[:_PICTURES], former, max_pixels, _READ_BYTES, count
    )
    samples: dict[str | None, list[SamplePhoto]] = defaultdict(list)
    for photo in first:
        if photo.path in found:
            samples[photo.label].append(found[photo.path])
    pictures = {path: found[path] for path in suspect if path in found}
    there = [path for path in (*(photo.path for photo in first), *suspect) if path in found]
    free = _PICTURE_BYTES - sum(len(found[path].thumbnail) for path in there)
    for path in (photo.path for photo in points if photo.path in found):
        free -= 0 if path in there else len(found[path].thumbnail)
        if free >= 0 or path in there:
            pictures[path] = found[path]
    return dict(samples), pictures


def _first_of_labels(keys: pa.Table) -> list[Photo]:
    chosen: list[Photo] = []
    taken: Counter[str | None] = Counter()
    for row in keys.sort_by([("label", "ascending"), ("path", "ascending")]).to_pylist():
        if taken[row["label"]] < _SAMPLES_A_LABEL and len(chosen) < _LABELS * _SAMPLES_A_LABEL:
            taken[row["label"]] += 1
            chosen.append(Photo(**row))
    return chosen


def _photos_of(keys: pa.Table, paths: Sequence[str]) -> list[Photo]:
    drawn = keys.filter(pc.is_in(keys["path"], pa.array(paths, pa.string())))
    return [Photo(**row) for row in drawn.to_pylist()]


def _evenly(scatter: Sequence[ScatterPoint], keys: pa.Table) -> list[Photo]:
    """The photos of points: the first of each label, then the second of each, and so on."""
    photos = {photo.path: photo for photo in _photos_of(keys, [point.path for point in scatter])}
    taken: Counter[str | None] = Counter()
    turns: list[tuple[int, Photo]] = []
    for photo in (photos[point.path] for point in scatter if point.path in photos):
        taken[photo.label] += 1
        turns.append((taken[photo.label], photo))
    return [photo for _, photo in sorted(turns, key=itemgetter(0))]
