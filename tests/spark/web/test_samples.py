"""One click on a sample photo of the page gets it recognised, in headless Chromium."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import browser_or_skip
from places import SAMPLES
from serving import Ada, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    yield from browser_or_skip()


def test_one_click_on_a_sample_recognises_it(browser: "Browser", classified: Path) -> None:
    samples = [SAMPLES / kind / f"{kind.lower()}_02.jpg" for kind in ("Banana", "Kiwi")]
    for url in serving(Ada, {"samples": str(classified / "results")}, samples):
        page = browser.new_page(locale="en-GB")
        page.goto(url)
        for number, kind in enumerate(("Banana", "Kiwi")):
            page.locator("#samples button:enabled").nth(number).click()
            page.wait_for_selector(f"#label:has-text({kind!r}):visible", timeout=60_000)
