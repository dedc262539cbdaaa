"""Errors that a user can cause, as a notebook shows them."""

from fruits.errors import ResultsError


def test_notebook_shows_one_line() -> None:
    """IPython calls this method instead of rendering a traceback."""
    error = ResultsError("there are no results")
    assert error._render_traceback_() == ["ResultsError: there are no results"]
