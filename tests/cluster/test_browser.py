"""The Hub as a user sees it, in headless Chromium."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from browser import browser_or_skip, log_in
from places import SCREENSHOTS

from cluster.local import Cluster

if TYPE_CHECKING:
    from playwright.sync_api import Page

_RUN_TIMEOUT_MS = 240_000


@pytest.fixture
def page() -> Iterator["Page"]:
    for browser in browser_or_skip():
        yield browser.new_page(viewport={"width": 1400, "height": 1000})


def _log_in(page: "Page", cluster: Cluster, password: str) -> None:
    page.goto(cluster.hub)
    log_in(page, cluster.user, password)


def test_a_wrong_password_is_refused(cluster: Cluster, page: "Page") -> None:
    _log_in(page, cluster, "not the password")
    page.wait_for_selector("text=Invalid username or password")
    assert page.is_visible("#login_submit")


def test_nobody_can_sign_up(cluster: Cluster, page: "Page") -> None:
    page.goto(f"{cluster.hub}/hub/signup")
    assert page.locator("text=404").count()


@pytest.mark.smoke
def test_the_pipeline_notebook_runs_and_shows_its_plots(cluster: Cluster, page: "Page") -> None:
    upload = ("fruits", "upload", "/opt/fruits/photos", "s3://fruits/samples/photos")
    cluster.run("as-user", cluster.user, *upload)
    _log_in(page, cluster, cluster.password)
    page.wait_for_url("**/lab**", timeout=120_000)
    page.goto(f"{cluster.hub}/user/{cluster.user}/lab/tree/pipeline.ipynb?reset")
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)
    page.wait_for_selector("text=Python 3 (ipykernel) | Idle", timeout=60_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_selector(
        f"text=s3://fruits/users/{cluster.user}/results/results.csv", timeout=_RUN_TIMEOUT_MS
    )
    plots = page.locator(".jp-OutputArea-output img[src^='data:image/png']")
    assert plots.count() == 3  # one photo's features, explained variance, components
    assert page.locator(".jp-OutputArea-output figure img").count() >= 14  # photos
    report = page.frame_locator("iframe[title=Report]")
    assert report.get_by_role("heading").count() >= 4
    assert report.locator("img").count() >= 14  # sample photos
    assert page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
    sockets = cluster.run("as-user", cluster.user, "ls", f"/home/{cluster.user}/.jupyter-run")
    assert "-ipc-1" in sockets  # only its own user can connect to the kernel
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    for number, plot in enumerate(plots.all(), 1):
        plot.scroll_into_view_if_needed()
        page.screenshot(path=SCREENSHOTS / f"pipeline-{number}.png")
    page.locator("iframe[title=Report]").scroll_into_view_if_needed()
    drawn = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    report.locator("body").evaluate(drawn)  # frames out of view are rendered late
    page.screenshot(path=SCREENSHOTS / "pipeline-report.png")
