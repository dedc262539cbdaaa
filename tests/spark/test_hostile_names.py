"""Malicious folder and file names on every page, in a real browser.

A label or path that is not escaped would run a script, which the tests detect by its dialog.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import browser_or_skip
from classified import SETTINGS
from command import fruits
from places import ROOT, SAMPLES
from serving import Ada, serving

from fruits import classify, notebook, pipeline
from fruits.progress import Silent

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page
    from pyspark.sql import SparkSession

KINDS = ("Banana", "Kiwi", "Lime")
SCRIPT = "<img src=x onerror=alert(1)>"
QUOTE = "\"'><svg onload=alert(2)>{{7*7}}$\\frac$"
BELL = "\x1b]0;owned\x07"


@pytest.fixture(scope="module")
def hostile(spark: "SparkSession", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results, with a classifier, of photos in folders and files with hostile names."""
    home = tmp_path_factory.mktemp("hostile")
    for kind, label in zip(KINDS, (SCRIPT, QUOTE, BELL + "Lime"), strict=True):
        shutil.copytree(SAMPLES / kind, home / "photos" / label)
    (home / "photos" / SCRIPT / f"{QUOTE}.jpg").write_bytes(b"no photo")
    results = str(home / "results")
    pipeline.run(spark, str(home / "photos"), results, SETTINGS, Silent())
    classify.train(spark, results, SETTINGS, 1, Silent())
    return home


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    yield from browser_or_skip()


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:
    """A page that fails the test if a script from a name has run."""
    page = browser.new_page()
    dialogs: list[str] = []

    def note(dialog: object) -> None:
        dialogs.append(getattr(dialog, "message"))  # noqa: B009 - typed in playwright only
        getattr(dialog, "dismiss")()  # noqa: B009

    page.on("dialog", note)
    yield page
    for frame in page.frames:
        assert frame.locator("img[src=x], svg[onload]").count() == 0
    assert not dialogs
    page.close()


def _show(page: "Page", html: str) -> None:
    page.set_content(f"<!doctype html><body>{html}</body>", wait_until="load")


def test_unescaped_script_is_detected(browser: "Browser") -> None:
    """Proves that the other tests can fail."""
    page = browser.new_page()
    with page.expect_event("dialog") as caught:
        page.on("dialog", lambda dialog: dialog.dismiss())
        page.set_content(SCRIPT)
    assert caught.value.message == "1"
    page.close()


def test_report_escapes_names(hostile: Path, page: "Page") -> None:
    page.goto((hostile / "results" / "report.html").as_uri())
    assert SCRIPT in page.inner_text("body")


def test_report_in_a_notebook_escapes_names(hostile: Path, page: "Page") -> None:
    _show(page, notebook.show_report(str(hostile / "results")).data)
    assert SCRIPT in page.frame_locator("iframe").locator("body").inner_text()


def test_confusion_and_mistakes_in_a_notebook_escape_names(hostile: Path, page: "Page") -> None:
    results = str(hostile / "results")
    result = classify.cross_validate(results)
    rows = [
        {**row, "predictions": [QUOTE, *row["predictions"]]} if row["label"] == SCRIPT else row
        for row in result.photos.to_pylist()
    ]
    photos = result.photos.from_pylist(rows)
    for shown in (
        notebook.show_confusion(result.evaluation),
        notebook.show_mistakes(results, photos),
    ):
        _show(page, shown.data)
        text = page.inner_text("body")
        assert SCRIPT in text
        assert QUOTE in text


def test_photos_in_a_notebook_escape_names(hostile: Path, page: "Page") -> None:
    results = str(hostile / "results")
    path = f"{SCRIPT}/{next((hostile / 'photos' / SCRIPT).glob('*_*.jpg')).name}"
    shown = [
        notebook.show_photos(str(hostile / "photos")),
        notebook.show_map(results),
        notebook.show_nearest(results, path, 15),
    ]
    for display in shown:
        _show(page, display.data)
        text = page.inner_text("body")
        assert SCRIPT in text
        assert QUOTE in text


def test_notebooks_do_not_use_pandas_styler() -> None:
    """Pandas' Styler doesn't escape text, unlike `fruits.notebook`."""
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            assert ".style" not in "".join(cell["source"])


def test_web_page_escapes_names(hostile: Path, page: "Page", tmp_path: Path) -> None:
    from playwright.sync_api import expect

    photo = tmp_path / f"{SCRIPT}.jpg"
    for site in serving(Ada, {"team": str(hostile / "results")}):
        page.goto(site)
        for name, label in (("Banana/banana_03.jpg", SCRIPT), ("Kiwi/kiwi_03.jpg", QUOTE)):
            shutil.copy(SAMPLES / name, photo)
            page.set_input_files("#file", photo)
            expect(page.locator("#label")).to_have_text(label, timeout=60_000)
            assert label in page.inner_text("#nearest")


def test_terminal_output_escapes_names(hostile: Path) -> None:
    predicted = fruits("predict", str(hostile / "results"), str(SAMPLES / "Lime" / "lime_01.jpg"))
    assert predicted.returncode == 0, predicted.stderr
    assert r"\x1b]0;owned\x07Lime" in predicted.stdout
    missing = fruits("predict", str(hostile / "results"), f"{BELL}.jpg")
    assert missing.returncode == 1
    assert "\x1b" not in predicted.stdout + missing.stdout + missing.stderr
