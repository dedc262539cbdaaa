"""Writes the report of a results folder."""

from fruits.progress import Progress
from fruits.report.content import gather
from fruits.report.render import render
from fruits.results.store import REPORT, Results
from fruits.settings import Settings


def write_report(store: Results, settings: Settings, progress: Progress) -> str:
    """Rewrites `report.html`; returns its address."""
    with progress.step("report") as count:
        store.write_report(render(gather(store, settings, count)).encode())
    return f"{store.folder.address}/{REPORT}"
