"""The pipeline step by step, as Spark DataFrames: to look at what lies between photos and results.

    featurize(spark, photos, results)  # `pipeline.featurize`
    features = read_features(spark, results)
    fit_pca(standardise(features)).explained_variance  # `pca.fit`, `pca.standardise`

Nothing is computed in another way than by `pipeline.run` with new results; what is stored is read,
not computed again.
"""

import io
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fruits.classifier.classifier import unit
from fruits.csv_cells import plain
from fruits.errors import PhotoError, PhotosError, ResultsError
from fruits.model.engine import FILES, engine_of_this_process
from fruits.model.load import FEATURES, load_model
from fruits.photos import listing
from fruits.photos.decode import DEFAULT_DECODING, prepare
from fruits.report.content import scatter_points
from fruits.report.scatter import ScatterPoint
from fruits.results import open_results, tables
from fruits.results.manifest import Manifest
from fruits.results.store import CSV, Results
from fruits.session import spark_errors
from fruits.settings import Settings, load
from fruits.storage import open_folder

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame, SparkSession


class Neighbour(NamedTuple):
    """A photo that is similar to another one."""

    path: str
    label: str | None
    similarity: float  # the cosine of the features; 1 if they point in the same direction


def list_photos(
    spark: "SparkSession", photos: str, settings: Settings | None = None
) -> "DataFrame":
    """The photos in a folder or bucket, with their labels: path, label, size in bytes.

    No photo is read. If `settings` is None, they are read from the environment and the TOML file.

    Raises:
        FruitsError: the folder can't be listed, or the table of labels can't be read.
    """
    settings = settings or load()
    listed = listing.list_photos(
        open_folder(photos), settings.labels, system_files=settings.system_files
    )
    with spark_errors():
        return spark.createDataFrame(listed.table.select(["path", "label", "size"]))


def read_photo(photos: str, path: str) -> bytes:
    """The bytes of a photo of a folder or bucket.

    Raises:
        FruitsError: it can't be read.
    """
    try:
        return open_folder(photos).read(path)
    except PhotoError as error:
        raise PhotosError(f"{path} in {photos}: {error}") from None


def features_of(photo: bytes, settings: Settings | None = None) -> NDArray[np.float32]:
    """The features of one photo, float32[1280], given its bytes; computed here, without Spark.

    If `settings` is None, they are read from the environment and the TOML file.

    Raises:
        PhotoError: it is not a usable image; the message says why.
        FruitsError: the weights or the engine are not available.
    """
    settings = settings or load()
    pixels = prepare(photo, settings.max_pixels, settings.decode or DEFAULT_DECODING)
    model = load_model(settings.weights, settings.cache, FILES[settings.engine], lambda _: None)
    engine = engine_of_this_process(
        settings.engine, settings.precision, model.sha256, lambda: model
    )
    (features,) = engine.features(pixels[None])
    return np.asarray(features)


def read_features(spark: "SparkSession", results: str) -> "DataFrame":
    """The stored features: path, label, features array<float> of 1280 numbers.

    Raises:
        ResultsError: there are no results.
    """
    store = open_results(results)
    with spark_errors(results):
        return store.table(spark, store.current().features).select("path", "label", "features")


def read_components(spark: "SparkSession", results: str) -> "DataFrame":
    """The stored principal components: path, label, components array<float>.

    Raises:
        ResultsError: there are no results, or they have no PCA.
    """
    store = open_results(results)
    reduced = _with_pca(store).reduced or []
    with spark_errors(results):
        return store.table(spark, reduced).select("path", "label", "components")


def read_csv(results: str) -> "pd.DataFrame":
    """`results.csv` in memory: path, label (missing if there is none), pc_1 … pc_k.

    Paths and labels are as they are, without the apostrophes that protect spreadsheets.

    Raises:
        ResultsError: there are no results, or they have no PCA, or no CSV or a damaged one.
    """
    import pandas as pd

    store = open_results(results)
    address = store.folder.address
    if _with_pca(store).csv is None:
        raise ResultsError(f"a run of {address} ended before its CSV: run `fruits pca {address}`")
    # A large CSV is a folder of parts, each with a header.
    parts = [name for name in store.folder.names(CSV) if name.endswith(".csv")]
    files = [f"{CSV}/{name}" for name in parts] or [CSV]
    text = {"path": str, "label": str}
    try:
        # Only the empty field is missing: a label may be `None` or `NA`.
        frames = [
            pd.read_csv(
                io.BytesIO(store.folder.read(file)),
                dtype=text,
                keep_default_na=False,
                na_values=[""],
            )
            for file in files
        ]
        table = pd.concat(frames, ignore_index=True)
        for column in text:
            texts = pa.array(table[column], pa.string(), from_pandas=True)
            table[column] = plain(texts).to_pandas()
    except (PhotoError, ValueError, KeyError) as error:
        why = " ".join(str(error).split())  # pandas ends some with a line break
        raise ResultsError(
            f"{CSV} in {address} is missing or damaged ({why}): run `fruits pca {address}`"
        ) from None
    return table


def nearest_photos(results: str, path: str, count: int = 5) -> list[Neighbour]:
    """The photos whose stored features are most similar to those of a photo, the nearest first.

    Reads all features, one file at a time, without Spark.

    Raises:
        ResultsError: there are no results, or none of this photo.
    """
    store = open_results(results)
    manifest = store.current()
    columns = ["path", "label", "features"]
    query = None
    for rows in tables.read_each(store.folder, manifest.features, columns):
        if (own := rows.filter(pc.equal(rows["path"], path))).num_rows:
            query = unit(_matrix(own))[0]
    if query is None:
        raise ResultsError(f"there is no photo {path} with features in {results}")
    best: list[Neighbour] = []
    for rows in tables.read_each(store.folder, manifest.features, columns):
        similarity = (unit(_matrix(rows)) @ query).tolist()
        keys = (rows["path"].to_pylist(), rows["label"].to_pylist())
        found = [Neighbour(*row) for row in zip(*keys, similarity, strict=True)]
        best += [neighbour for neighbour in found if neighbour.path != path]
        best = sorted(best, key=lambda neighbour: -neighbour.similarity)[:count]
    return best


def stored_points(results: str) -> list[ScatterPoint]:
    """Up to 4,000 photos at their first two stored components, as in the report.

    Raises:
        ResultsError: there are no results, or they have no PCA.
    """
    store = open_results(results)
    return scatter_points(store, _with_pca(store))


def _with_pca(store: Results) -> Manifest:
    manifest = store.current()
    if manifest.reduced is None:
        address = store.folder.address
        raise ResultsError(
            f"the results in {address} have no PCA yet: run `fruits pca {address}` first"
        )
    return manifest


def _matrix(rows: pa.Table) -> NDArray[np.float32]:
    """The column `features` as float32[n, 1280]."""
    features = rows["features"].combine_chunks().flatten().to_numpy()
    return np.asarray(features, np.float32).reshape(len(rows), -1 if len(rows) else FEATURES)
