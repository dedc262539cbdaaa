"""Ensures that all features of a results folder are computed in the same way.

That is, with the same weights, engine, precision and decoding.
"""

import json
from dataclasses import replace

from fruits.errors import ResultsError
from fruits.model.engine import FILES
from fruits.model.frameworks import DEPTH_LAYERS
from fruits.model.load import Model, load_model
from fruits.progress import Progress
from fruits.results.manifest import MADE_WITH, Manifest
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
    decode = settings.decode or (former.decode if former else "scaled")
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
            f"the weights {model.name} are not the ones that the results were made with "
            f"(sha256 {manifest.model['sha256'][:12]}…): pass the cache that has them with --cache"
        )
    return model, replace(settings, **{name: getattr(manifest, name) for name in MADE_WITH})


def _check_same(address: str, former: Manifest, model: Model, settings: Settings) -> None:
    same_weights = former.model["sha256"] == model.sha256
    choices = [("weights", former.model["name"], model.name, same_weights)]
    for name in MADE_WITH:
        old, new = getattr(former, name), getattr(settings, name)
        choices.append((name, old, new, old == new))
    for option, old, new, same in choices:
        if not same:
            content = " of another content" if old == new else ""
            raise ResultsError(
                f"{address} was made with --{option} {old}, not {new}{content}: "
                f"use another results folder, or --{option} {old}"
            )
