"""The errors that a user can cause.

Each message is one line that says what is wrong and what to do next; the `fruits` command prints
it and ends with exit code 2. Anything else that is raised is a bug of ours and shows a traceback.
"""


class FruitsError(Exception):
    """Something the user can put right; the message says how."""


class SettingsError(FruitsError):
    """A setting has a value that it can't have."""


class StorageError(FruitsError):
    """A folder or bucket can't be listed, read or written."""


class PhotosError(FruitsError):
    """There is no usable photo to work on."""


class WeightsError(FruitsError):
    """Weights can't be had, are damaged, or are not those of a MobileNetV2."""


class EngineError(FruitsError):
    """The inference engine can't do what was asked on this machine."""


class PCAError(FruitsError):
    """The features do not allow the PCA that was asked for."""


class ClassifyError(FruitsError):
    """The features do not allow a classifier, or there is none."""


class ResultsError(FruitsError):
    """The results folder is not usable for what was asked."""


class PhotoError(Exception):
    """One photo can't be used; the message is the reason, in words, that goes to the rejects."""


class PhotoTooLarge(PhotoError):
    """A photo has more pixels than are decoded."""
