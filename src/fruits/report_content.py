"""Gathers from the results, and from the photos, what the report shows."""

from collections import defaultdict
from dataclasses import asdict
from typing import TYPE_CHECKING

from fruits.errors import FruitsError, PhotoError
from fruits.photo import thumbnail
from fruits.recognise import read_measures
from fruits.report import ReportContent, SamplePhoto, ScatterPoint
from fruits.results import Manifest, Results
from fruits.storage import open_folder, read_ahead

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_POINTS = 4_000
_LABELS = 60
_SAMPLES_A_LABEL = 6
_THUMBNAIL = 96  # pixels
_MAX_PIXELS = 100_000_000


def gather(spark: "SparkSession", store: Results) -> ReportContent:
    """What `report.render` takes. Photos that can't be read any more are left out."""
    manifest = store.current()

    def stored(path: str) -> "DataFrame":
        return store.table(spark, path)

    rejects = stored(manifest.rejects).groupBy("reason").count().collect()
    return ReportContent(
        manifest=asdict(manifest),
        scatter=_scatter(stored(manifest.reduced)) if manifest.reduced else [],
        samples=_samples(stored(manifest.features), manifest),
        rejects={row["reason"]: row["count"] for row in rejects},
        evaluation=read_measures(store, photos=True) or read_measures(store, photos=False),
    )


def _scatter(reduced: "DataFrame") -> list[ScatterPoint]:
    """The first two components (the second is 0 where only one was kept) of a few thousand rows."""
    from pyspark.sql import functions as sql

    first = [sql.get("components", sql.lit(i)).alias(name) for i, name in enumerate("xy")]
    rows = reduced.select("path", "label", *first)
    some = rows.orderBy(sql.xxhash64("path")).limit(_POINTS).fillna(0.0).collect()
    return [ScatterPoint(row["path"], row["label"], row["x"], row["y"]) for row in some]


def _samples(features: "DataFrame", manifest: Manifest) -> dict[str | None, list[SamplePhoto]]:
    """The first few photos of each label, as thumbnails."""
    from pyspark.sql import Window
    from pyspark.sql import functions as sql

    rank = sql.row_number().over(Window.partitionBy("label").orderBy("path"))
    ranked = features.select("path", "label", rank.alias("rank"))
    rows = ranked.where(sql.col("rank") <= _SAMPLES_A_LABEL).orderBy("label", "path")
    chosen = rows.limit(_LABELS * _SAMPLES_A_LABEL).collect()
    samples: dict[str | None, list[SamplePhoto]] = defaultdict(list)
    try:
        folder = open_folder(manifest.photos)
        read = read_ahead(lambda row: folder.read(row["path"]), chosen, lambda _: 0, in_flight=8)
        for row, data in read:
            if isinstance(data, PhotoError):
                continue
            try:
                picture = thumbnail(data, _THUMBNAIL, _MAX_PIXELS)
            except PhotoError:  # changed since, or larger than a report is worth
                continue
            samples[row["label"]].append(SamplePhoto(row["path"], picture))
    except FruitsError:
        return {}  # the photos are out of reach from here; the rest of the report is not
    return dict(samples)
