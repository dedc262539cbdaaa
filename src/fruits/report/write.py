"""Writes the report of a results folder."""

from fruits.progress import Progress
from fruits.report.content import gather
from fruits.report.render import render
from fruits.results.store import REPORT, Results
from fruits.settings import Settings
from fruits.suspects.update import write_suspects


def write_report(store: Results, settings: Settings, progress: Progress) -> str:
    """Rewrites `suspects.csv` and `report.html`; returns the address of the latter."""
    with progress.step("report") as count:
        write_suspects(store)
        store.write_derived(REPORT, render(gather(store, settings, count)).encode())
    return f"{store.folder.address}/{REPORT}"
