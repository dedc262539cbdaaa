"""Ensures that all features of a results folder are computed in the same way.

That is, with the same weights, engine, precision and decoding.
"""

import json
import os
import re
from dataclasses import replace

from fruits.errors import ResultsError
from fruits.model.engine import FILES
from fruits.model.frameworks import DEPTH_LAYERS
from fruits.model.load import Model, load_model
from fruits.photos.decode import DEFAULT_DECODING
from fruits.progress import Progress
from fruits.results.manifest import MADE_WITH, Manifest, weights_of
from fruits.results.store import Results
from fruits.settings import Settings


def provenance(model: Model, settings: Settings, views: int = 1, *, depths: bool = False) -> bytes:
    """Everything that features depend on besides their photo; stored in files of features."""
    metadata: dict[str, object] = {"model": model.metadata, "views": views}
    if depths:
        metadata["depths"] = DEPTH_LAYERS
    metadata.update((name, getattr(settings, name)) for name in MADE_WITH)
    return json.dumps(metadata, sort_keys=True).encode()


def load_model_for(
    store: Results, settings: Settings, progress: Progress
) -> tuple[Model, Settings]:
    """The model for adding features to these results.

    Also returns `settings`, with missing values taken from the results.

    Raises:
        WeightsError: the weights are not available.
        ResultsError: the existing features were computed in a different way.
    """
    former = store.manifest
    weights = settings.weights or (former.weights if former else None)
    model = load_model(weights, settings.cache, FILES[settings.engine], progress.say)
    decode = settings.decode or (former.decode if former else DEFAULT_DECODING)
    settings = replace(settings, decode=decode)
    if former:
        _check_same(store.folder.address, former, model, settings)
    return model, settings


def load_model_of(manifest: Manifest, settings: Settings) -> tuple[Model, Settings]:
    """The model that results were computed with, and `settings` with the values used for them.

    Raises:
        WeightsError: its weights are not available.
        ResultsError: the weights of that name have changed since.
    """
    model = load_model(manifest.weights, settings.cache, FILES[manifest.engine], lambda _: None)
    if model.sha256 != manifest.model["sha256"]:
        raise ResultsError(
            f"the weights {manifest.weights} are no longer the ones that the results were made "
            f"with ({_hashes(manifest, model)}): {_former_ones(manifest)}"
        )
    return model, replace(settings, **{name: getattr(manifest, name) for name in MADE_WITH})


def _check_same(address: str, former: Manifest, model: Model, settings: Settings) -> None:
    weights = weights_of(model.metadata)
    differ = former.model["sha256"] != model.sha256
    if differ and _place(former.weights) == _place(weights):
        raise ResultsError(
            f"{address} was made with --weights {weights}, whose content has changed since "
            f"({_hashes(former, model)}): use another results folder, or {_former_ones(former)}"
        )
    choices = [("weights", former.weights, weights)] if differ else []
    choices += [(name, getattr(former, name), getattr(settings, name)) for name in MADE_WITH]
    for option, old, new in choices:
        if old != new:
            raise ResultsError(
                f"{address} was made with --{option} {old}, not {new}: "
                f"use another results folder, or --{option} {old}"
            )


def _place(weights: str) -> str:
    """Where weights are, however it is spelt."""
    s3 = re.sub("^s3[an]://", "s3://", weights)
    return s3 if "://" in s3 else os.path.realpath(s3)


def _hashes(former: Manifest, model: Model) -> str:
    return f"sha256 {former.model['sha256'][:12]}…, now {model.sha256[:12]}…"


def _former_ones(former: Manifest) -> str:
    """What to do to use the weights of these results again."""
    if former.weights == former.model["name"]:  # which this package downloads
        return "pass the cache that has the former ones with --cache"
    return "restore the former file"
