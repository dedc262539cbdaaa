"""The PCA of a results folder: fitted on its features, or kept when features change."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from fruits.pca.fit import fit_stored, load, project
from fruits.progress import Count
from fruits.results import tables
from fruits.results.manifest import Manifest
from fruits.results.store import Results
from fruits.results.tables import Change

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def fit_on_results(
    spark: "SparkSession",
    store: Results,
    pending: Manifest,
    variance: float,
    components: int | None,
    count: Count | None = None,
) -> Manifest:
    """The pending manifest with new models fitted on its features, and reduced rows.

    Raises:
        PCAError: as `fit`.
    """
    pca = fit_stored(spark, store.folder, pending.features, variance, components, count)
    models = tables.new_name("models")
    pca.save(store.folder, models)
    reduced = project(spark, store.folder, pca, pending.features, count)
    return replace(
        pending,
        reduced=reduced,
        models={**pending.models, "scaler": f"{models}/scaler", "pca": f"{models}/pca"},
        explained_variance=[float(share) for share in pca.explained_variance],
        variance=None if components else variance,
    )


def keep_pca(
    spark: "SparkSession",
    store: Results,
    pending: Manifest,
    change: Change,
    added: Sequence[str],
    count: Count | None = None,
) -> Manifest:
    """The pending manifest with the existing PCA.

    Reduced rows change like the features, and added files of features are projected.
    """
    former = store.current()
    reduced = tables.changed(spark, store.folder, "reduced", former.reduced or [], change, count)
    if added:
        pca = load(store.folder, former.models["pca"].rpartition("/")[0])
        reduced += project(spark, store.folder, pca, added, count)
    return replace(
        pending,
        reduced=reduced,
        models={**{name: former.models[name] for name in ("scaler", "pca")}, **pending.models},
        explained_variance=former.explained_variance,
        variance=former.variance,
    )
