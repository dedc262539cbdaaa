"""Displays results in notebooks.

Labels, paths and reasons are untrusted text: all of it passes through the template, which escapes
it.
"""

import base64
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from fruits.classifier.evaluate import Evaluation
from fruits.classifier.stored import read_examples
from fruits.errors import PhotoError
from fruits.photos.decode import thumbnail
from fruits.results import open_results
from fruits.results.store import REPORT
from fruits.settings import Settings, load
from fruits.storage import Folder, open_folder
from fruits.suspects.table import DUPLICATE, LABEL, OUTLIER
from fruits.suspects.update import read_suspects
from fruits.templates import environment


@dataclass(frozen=True)
class Html:
    """HTML markup that a notebook displays."""

    data: str

    def _repr_html_(self) -> str:
        return self.data


def show_report(results: str, height: int = 900) -> Html:
    """The report of a results folder, in a frame `height` pixels high.

    Raises:
        FruitsError: there are no results, or they can't be read.
    """
    store = open_results(results)
    store.current()
    page = (store.folder.read_if_there(REPORT) or b"<p>There is no report yet.</p>").decode()
    # The frame isolates the styles and scripts of the report from the notebook.
    return _html("report", page, height)


def show_confusion(evaluation: Evaluation) -> Html:
    """The confusion matrix: counts of photos by true label (rows) and predicted label (columns).

    Darker cells have a larger share of their row.
    """
    counts = Counter({(pair.label, pair.predicted): pair.photos for pair in evaluation.confusion})
    labels, predicted = (sorted({key[i] for key in counts}) for i in (0, 1))
    rows = []
    for label in labels:
        photos = [counts[label, name] for name in predicted]
        cells = [{"photos": n, "style": _shade(n / sum(photos))} for n in photos]
        rows.append({"label": label, "cells": cells})
    return _html("confusion", predicted, rows)


def _shade(share: float) -> str:
    """The style of a table cell: green in proportion to a share in [0, 1], with legible text."""
    return (
        f"background: rgba(0, 109, 44, {share:.2f}); color: {'white' if share > 0.5 else 'inherit'}"
    )


def show_mistakes(
    results: str, photos: pa.Table, count: int = 10, settings: Settings | None = None
) -> Html:
    """The photos with a wrong prediction, those predicted with the highest probability first.

    Each is shown next to the most similar example of the predicted label. `photos` is the
    `classify.Evaluated.photos` of an evaluation on the photos of the results.

    Raises:
        FruitsError: there is no classifier, or the photos can't be read.
    """
    store = open_results(results)
    max_pixels = (settings or load()).max_megapixels * 1_000_000
    examples, folder = read_examples(store), open_folder(store.current().photos)
    row_of = {path: row for row, path in enumerate(examples.paths)}
    labels = np.array(examples.labels, object)
    wrong = [row for row in photos.to_pylist() if row["predictions"][0] != row["label"]]
    wrong.sort(key=lambda row: -row["probabilities"][0])
    shown = []
    for row in wrong[:count]:
        predicted, features = row["predictions"][0], examples.features[row_of[row["path"]]]
        (candidates,) = (labels == predicted).nonzero()
        distances = np.linalg.norm(examples.features[candidates] - features, axis=1)
        nearest = candidates[np.argmin(distances)]
        confidence = f"{row['probabilities'][0]:.0%}"
        shown.append(
            {
                "photo": _picture(folder, row["path"], max_pixels),
                "label": row["label"],
                "predicted": predicted,
                "confidence": confidence if row["confident"] else f"{confidence}, not sure",
                "nearest": _picture(folder, examples.paths[nearest], max_pixels),
            }
        )
    return _html("mistakes", shown)


def show_suspects(results: str, count: int = 10, settings: Settings | None = None) -> Html:
    """The photos to look at, as `fruits.check` found them: the first `count` of each kind.

    Raises:
        FruitsError: there are no results, or they can't be read.
    """
    store = open_results(results)
    max_pixels = (settings or load()).max_megapixels * 1_000_000
    folder, table = open_folder(store.current().photos), read_suspects(store)
    rows = table.to_pylist() if table else []
    shown = []
    for kind in (LABEL, DUPLICATE, OUTLIER):
        for row in [row for row in rows if row["kind"] == kind][:count]:
            pictures = {
                name: _picture(folder, row[name], max_pixels) if row[name] else {"reason": ""}
                for name in ("path", "nearest")
            }
            shown.append({**row, **pictures})
    return _html("suspects", shown, table is not None)


def _picture(folder: Folder, path: str, max_pixels: int) -> dict[str, str]:
    """The thumbnail of a photo, or the reason why there is none."""
    try:
        jpeg = thumbnail(folder.read(path), 120, max_pixels)
    except PhotoError as error:
        return {"path": path, "reason": str(error)}
    return {"path": path, "data": f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"}


def _html(macro: str, *values: object) -> Html:
    return Html(getattr(environment().get_template("notebook.html.j2").module, macro)(*values))
