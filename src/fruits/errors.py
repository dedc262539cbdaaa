"""The errors that a user can cause.

Each message is one line that says what is wrong and what to do next; the `fruits` command prints
it and exits with code 2. Any other exception is a bug in this package and shows a traceback.
"""


class FruitsError(Exception):
    """An error that the user can fix; the message says how."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in a notebook: one line, instead of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class SettingsError(FruitsError):
    """A setting is unknown or has an invalid value."""


class StorageError(FruitsError):
    """A folder or bucket can't be listed, read or written."""


class PhotosError(FruitsError):
    """There are no usable photos."""


class WeightsError(FruitsError):
    """Weights are not available, are damaged, or are not those of a MobileNetV2."""


class EngineError(FruitsError):
    """The inference engine does not support the requested settings on this machine."""


class PCAError(FruitsError):
    """The requested PCA is not possible with these features."""


class ClassifyError(FruitsError):
    """A classifier is not possible with these features, or there is none."""


class ResultsError(FruitsError):
    """The results folder is missing, damaged or not usable for this operation."""


class PhotoError(Exception):
    """One photo can't be used; the message is the reason recorded in the rejects."""


class PhotoTooLarge(PhotoError):
    """A photo has more pixels than the limit."""
