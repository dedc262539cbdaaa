"""What notebooks show of results."""

import html
from typing import TYPE_CHECKING

from fruits.results import REPORT, open_results

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
