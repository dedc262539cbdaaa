"""Headless Chromium, and logging in to the Hub with it."""

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page


def browser_or_skip() -> Iterator["Browser"]:
    """Yield a headless Chromium; skip the test if none is installed."""
    from playwright.sync_api import sync_playwright

    if not (chromium := shutil.which("chromium") or shutil.which("google-chrome")):
        pytest.skip("there is no Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


def log_in(page: "Page", user: str, password: str) -> None:
    """Fill in and submit the login page."""
    page.fill("#username_input", user)
    page.fill("#password_input", password)
    page.click("#login_submit")
