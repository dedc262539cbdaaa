"""Shows the report, and how right a classifier is: metrics, confusion and mistakes."""

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from fruits.classifier.classifier import directions_of
from fruits.classifier.evaluation import Evaluation
from fruits.classifier.stored import read_examples
from fruits.notebook.html import Html, html, picture
from fruits.results import open_results
from fruits.results.store import REPORT
from fruits.settings import Settings, load
from fruits.storage import open_folder
from fruits.suspects.table import DUPLICATE, LABEL, OUTLIER
from fruits.suspects.update import read_suspects

if TYPE_CHECKING:
    import pandas as pd


def metrics_table(evaluation: Evaluation) -> "pd.DataFrame":
    """The metrics of an evaluation as text: value, and the ends of its 95% interval."""
    import pandas as pd

    rows = {}
    for name, value in evaluation.metrics.items():
        ends = evaluation.intervals[name]
        rows[name.replace("_", " ")] = {
            "value": "none" if value is None else f"{value:.1%}",
            "95% interval": f"{ends[0]:.1%} to {ends[1]:.1%}" if ends else "none",
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def show_report(results: str, height: int = 900) -> Html:
    """The report of a results folder, in a frame `height` pixels high.

    Raises:
        FruitsError: there are no results, or they can't be read.
    """
    store = open_results(results)
    store.current()
    page = (store.folder.read_if_there(REPORT) or b"<p>There is no report yet.</p>").decode()
    # The frame isolates the styles and scripts of the report from the notebook.
    return html("report", page, height)


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
    return html("confusion", predicted, rows)


def _shade(share: float) -> str:
    """The style of a table cell: green in proportion to a share in [0, 1], with legible text."""
    return (
        f"background: rgba(0, 109, 44, {share:.2f}); color: {'white' if share > 0.5 else 'inherit'}"
    )


def show_mistakes(
    results: str, photos: pa.Table, count: int = 10, settings: Settings | None = None
) -> Html:
    """The photos with a wrong prediction, those predicted with the highest probability first.

    Each is shown next to the most similar example of the predicted label, if it is an example
    itself: the features of others, such as those of a test split, are not stored. `photos` is the
    `classify.Evaluated.photos` of an evaluation on the photos of the results.

    Raises:
        FruitsError: there is no classifier, or the photos can't be read.
    """
    store = open_results(results)
    settings = settings or load()
    examples, folder = read_examples(store), open_folder(store.current().photos)
    row_of = {path: row for row, path in enumerate(examples.paths)}
    labels, directions = np.array(examples.labels, object), directions_of(examples.features)
    # Rejects have no predictions, and without a label none is wrong.
    labelled = [row for row in photos.to_pylist() if row["predictions"] and row["label"]]
    wrong = [row for row in labelled if row["predictions"][0] != row["label"]]
    wrong.sort(key=lambda row: -row["probabilities"][0])
    shown = []
    for row in wrong[:count]:
        predicted = row["predictions"][0]
        (candidates,) = (labels == predicted).nonzero()
        nearest = {"reason": "not compared: not among the examples"}
        if row["path"] in row_of and len(candidates):
            cosines = directions[candidates] @ directions[row_of[row["path"]]]
            path = examples.paths[candidates[np.argmax(cosines)]]
            nearest = picture(folder, path, settings)
        confidence = f"{row['probabilities'][0]:.0%}"
        shown.append(
            {
                "photo": picture(folder, row["path"], settings),
                "label": row["label"],
                "predicted": predicted,
                "confidence": confidence if row["confident"] else f"{confidence}, not sure",
                "nearest": nearest,
            }
        )
    return html("mistakes", shown)


def show_suspects(results: str, count: int = 10, settings: Settings | None = None) -> Html:
    """The photos to look at, as `fruits.check` found them: the first `count` of each kind.

    Raises:
        FruitsError: there are no results, or they can't be read.
    """
    store = open_results(results)
    settings = settings or load()
    folder, table = open_folder(store.current().photos), read_suspects(store)
    rows = table.to_pylist() if table else []
    shown = []
    for kind in (LABEL, DUPLICATE, OUTLIER):
        for row in [row for row in rows if row["kind"] == kind][:count]:
            pictures = {
                name: picture(folder, row[name], settings) if row[name] else {"reason": ""}
                for name in ("path", "nearest")
            }
            shown.append({**row, **pictures})
    return html("suspects", shown, table is not None)
