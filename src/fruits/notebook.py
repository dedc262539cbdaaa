"""What notebooks show of results."""

import base64
import html
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from fruits.errors import PhotoError
from fruits.photo import thumbnail
from fruits.recognise import read_examples
from fruits.results import REPORT, open_results
from fruits.storage import Folder, open_folder
from fruits.train import Examples

if TYPE_CHECKING:
    from IPython.display import HTML


def show_report(results: str, height: int = 900) -> "HTML":
    """The report of a results folder, in a frame of so many pixels.

    Raises:
        FruitsError: there are no results, or they can't be read.
    """
    from IPython.display import HTML

    store = open_results(results)
    store.current()
    page = (store.folder.read_if_there(REPORT) or b"<p>There is no report yet.</p>").decode()
    # In a frame, neither the page's styles nor anything in it touch the notebook's.
    return HTML(
        f'<div><iframe srcdoc="{html.escape(page)}" title="Report" sandbox="allow-scripts" '
        f'style="width: 100%; height: {height}px; border: 1px solid #ccc"></iframe></div>'
    )


def show_mistakes(results: str, photos: pa.Table, count: int = 10) -> "HTML":
    """The photos whose answer was wrong (of `classify.Evaluated.photos`, of the results' own
    photos), the most confident first: each beside the photo of the label that was said which is
    most like it.

    Raises:
        FruitsError: there is no classifier, or the photos can't be read.
    """
    from IPython.display import HTML

    store = open_results(results)
    examples, folder = Examples.of(read_examples(store)), open_folder(store.current().photos)
    row_of = {path: row for row, path in enumerate(examples.paths)}
    labels = np.array(examples.labels, object)
    wrong = [row for row in photos.to_pylist() if row["answers"][0] != row["label"]]
    wrong.sort(key=lambda row: -row["probabilities"][0])
    shown = []
    for row in wrong[:count]:
        said, own = row["answers"][0], examples.features[row_of[row["path"]]]
        (others,) = (labels == said).nonzero()
        nearest = others[np.argmin(np.linalg.norm(examples.features[others] - own, axis=1))]
        sure = f"{row['probabilities'][0]:.0%}" + ("" if row["sure"] else ", not sure")
        shown.append(
            f"<tr><td>{_picture(folder, row['path'])}</td><td>{html.escape(row['label'])}</td>"
            f"<td>{html.escape(said)} ({sure})</td>"
            f"<td>{_picture(folder, examples.paths[nearest])}</td></tr>"
        )
    head = (
        "<tr><th>photo</th><th>is</th><th>was taken for</th><th>the most alike of these</th></tr>"
    )
    return HTML(f"<table>{head}{''.join(shown)}</table>")


def _picture(folder: Folder, path: str) -> str:
    try:
        jpeg = thumbnail(folder.read(path), 120, 100_000_000)
    except PhotoError as error:
        return html.escape(str(error))
    data = base64.b64encode(jpeg).decode("ascii")
    return f'<img src="data:image/jpeg;base64,{data}" title="{html.escape(path)}">'
