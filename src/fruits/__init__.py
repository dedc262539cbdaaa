"""Photos of fruit -> MobileNetV2 features -> principal components and a classifier, on Spark."""

from importlib import import_module

TYPE_CHECKING = False  # as in typing, which takes milliseconds to import
if TYPE_CHECKING:
    from fruits.classify import evaluate, predict, train
    from fruits.pipeline import check, run
    from fruits.results import open_results
    from fruits.session import start_session
    from fruits.settings import load as load_settings

__version__ = "0.1.0"
__all__ = [
    "__version__",
    "check",
    "evaluate",
    "load_settings",
    "open_results",
    "predict",
    "run",
    "start_session",
    "train",
]

_HOMES = {
    "check": ("fruits.pipeline", "check"),
    "evaluate": ("fruits.classify", "evaluate"),
    "load_settings": ("fruits.settings", "load"),
    "open_results": ("fruits.results", "open_results"),
    "predict": ("fruits.classify", "predict"),
    "run": ("fruits.pipeline", "run"),
    "start_session": ("fruits.session", "start_session"),
    "train": ("fruits.classify", "train"),
}


def __getattr__(name: str) -> object:
    """Imports public names lazily, as the command needs only a few of them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'fruits' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)
