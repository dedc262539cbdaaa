"""Photos of fruit -> MobileNetV2 features -> principal components and a classifier, on Spark."""

from importlib import import_module

TYPE_CHECKING = False  # as in typing, which takes milliseconds to import
if TYPE_CHECKING:
    from fruits.classifier.predictor import Predictor
    from fruits.classify import cross_validate, evaluate, predict, train
    from fruits.pca.fit import fit as fit_pca
    from fruits.pca.fit import transform as apply_pca
    from fruits.pca.standardise import standardise
    from fruits.pipeline import check, featurize, run
    from fruits.pipeline import pca as store_pca
    from fruits.results import open_results
    from fruits.session import start_session
    from fruits.settings import load as load_settings
    from fruits.steps import (
        features_of,
        list_photos,
        nearest_photos,
        read_components,
        read_csv,
        read_features,
        read_photo,
    )

__version__ = "0.1.0"
__all__ = [
    "Predictor",
    "__version__",
    "apply_pca",
    "check",
    "cross_validate",
    "evaluate",
    "features_of",
    "featurize",
    "fit_pca",
    "list_photos",
    "load_settings",
    "nearest_photos",
    "open_results",
    "predict",
    "read_components",
    "read_csv",
    "read_features",
    "read_photo",
    "run",
    "standardise",
    "start_session",
    "store_pca",
    "train",
]

_HOMES = {
    "Predictor": ("fruits.classifier.predictor", "Predictor"),
    "apply_pca": ("fruits.pca", "transform"),
    "check": ("fruits.pipeline", "check"),
    "cross_validate": ("fruits.classify", "cross_validate"),
    "evaluate": ("fruits.classify", "evaluate"),
    "features_of": ("fruits.steps", "features_of"),
    "featurize": ("fruits.pipeline", "featurize"),
    "fit_pca": ("fruits.pca", "fit"),
    "list_photos": ("fruits.steps", "list_photos"),
    "load_settings": ("fruits.settings", "load"),
    "nearest_photos": ("fruits.steps", "nearest_photos"),
    "open_results": ("fruits.results", "open_results"),
    "predict": ("fruits.classify", "predict"),
    "read_components": ("fruits.steps", "read_components"),
    "read_csv": ("fruits.steps", "read_csv"),
    "read_features": ("fruits.steps", "read_features"),
    "read_photo": ("fruits.steps", "read_photo"),
    "run": ("fruits.pipeline", "run"),
    "standardise": ("fruits.pca", "standardise"),
    "start_session": ("fruits.session", "start_session"),
    "store_pca": ("fruits.pipeline", "pca"),
    "train": ("fruits.classify", "train"),
}


def __getattr__(name: str) -> object:
    """Imports public names lazily, as the command needs only a few of them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'fruits' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)
