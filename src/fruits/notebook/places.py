"""Where notebooks find photos and results, and what they say if there are none."""

import getpass
import os
from pathlib import Path
from typing import NamedTuple

from fruits.errors import ResultsError, SettingsError
from fruits.results import open_results


class Places(NamedTuple):
    """The addresses that a notebook works with."""

    photos: str
    results: str


def places() -> Places:
    """The sample photos, and where this user's results are.

    In the Hub, both are in its bucket; in a clone of the repository, `data/photos` and `results`.

    Raises:
        SettingsError: this is neither the Hub nor a clone.
    """
    if bucket := os.environ.get("BUCKET"):
        return Places(
            f"s3://{bucket}/samples/photos", f"s3://{bucket}/users/{getpass.getuser()}/results"
        )
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (photos := folder / "data" / "photos").is_dir():
            return Places(str(photos), str(folder / "results"))
    raise SettingsError(
        "there is no bucket and no folder data/photos here: set `photos` and `results` to folders "
        "of your own"
    )


def expect_results(results: str) -> None:
    """Ends a notebook with one line if there is nothing yet that it could show.

    Raises:
        ResultsError: there are no results with a PCA.
    """
    manifest = open_results(results).manifest
    if manifest is None:
        raise ResultsError(f"there are no results in {results} yet: run pipeline.ipynb first")
    if manifest.csv is None:
        raise ResultsError(
            f"the results in {results} have no PCA yet: run pipeline.ipynb to its end first"
        )
