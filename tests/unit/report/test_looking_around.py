"""The script of the report's scatter, in a real browser: photos of marks, and labels on and off."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import browser_or_skip
from photos import encoded
from PIL import Image
from places import SCREENSHOTS
from reports import Samples, manifest

from fruits.notebook import show_report
from fruits.report.render import ReportContent, SamplePhoto, render
from fruits.report.scatter import ScatterPoint
from fruits.results import open_results
from fruits.results.manifest import Manifest
from fruits.results.store import REPORT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Dialog, Locator, Page

CLOSE = "\"'></title></script><img src=x onerror=alert(1)>"
RIGHT_TO_LEFT = "\N{RIGHT-TO-LEFT OVERRIDE}gpj.elppa"
LONG = "a-very-long-name/" * 30
POINTS = (
    ScatterPoint("Apple/left.jpg", "Apple", 0, 5),
    ScatterPoint("Apple/right.jpg", "Apple", 10, 5),
    ScatterPoint("Kiwi/twin 1.jpg", "Kiwi", 5, 5),
    ScatterPoint("Kiwi/twin 2.jpg", "Kiwi", 5, 5),
    ScatterPoint(f"{CLOSE}/low.jpg", CLOSE, 0, 0),
    ScatterPoint(RIGHT_TO_LEFT, RIGHT_TO_LEFT, 10, 10),
    ScatterPoint(LONG, None, 10, 0),
)
LABELS = ["Apple", "Kiwi", CLOSE, RIGHT_TO_LEFT, "no label"]


def picture(number: int) -> bytes:
    return encoded(Image.new("RGB", (80, 80), (30 * number, 120, 60)))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report; the last point has no photo, and that of the first is among the samples."""
    photos = {
        point.path: SamplePhoto(point.path, picture(i), f"key-{i:012}")
        for i, point in enumerate(POINTS[:-1])
    }
    samples: Samples = {"Apple": [photos["Apple/left.jpg"]]}
    content = ReportContent(manifest(), POINTS, samples, {}, pictures=photos)
    results = tmp_path_factory.mktemp("results")
    current = Manifest(
        photos="p", features=[], rejects=[], model={}, engine="openvino", precision="float32"
    )
    open_results(str(results)).commit(current)
    (results / REPORT).write_text(render(content), "utf-8")
    return results / REPORT


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    yield from browser_or_skip()


Show = Callable[..., "Page"]


@pytest.fixture
def show(browser: "Browser", report: Path) -> Iterator[Show]:
    """Opens the report; fails the test if it loads anything, or if a script of a name runs."""
    wrong: list[str] = []
    contexts: list[BrowserContext] = []

    def refuse(dialog: "Dialog") -> None:
        wrong.append(dialog.message)
        dialog.dismiss()

    def opened(width: int = 1280, height: int = 800, **options: object) -> "Page":
        context = browser.new_context(viewport={"width": width, "height": height}, **options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("dialog", refuse)
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda request: wrong.append(request.url))
        page.goto(report.as_uri())
        page.evaluate("document.getElementById('scatter').scrollIntoView({behavior: 'instant'})")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [url for url in wrong if not url.startswith(("data:", report.as_uri()))] == []


def centre(page: "Page", path: str) -> tuple[float, float]:
    """Where the mark of a photo is in the window."""
    number = [point.path for point in _drawn()].index(path)
    box = page.locator("#plot use").nth(number).bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def _drawn() -> list[ScatterPoint]:
    """The points in the order of the page: those without a label first, the others by label."""
    return sorted(POINTS, key=lambda p: (p.label is not None, (p.label or "").casefold()))


def card(page: "Page") -> "Locator":
    return page.locator("#card:not([hidden])")


def shown(page: "Page") -> str | None:
    """The path on the card, if there is one."""
    return page.locator("#path").text_content() if card(page).count() else None


def label(page: "Page", name: str) -> "Locator":
    return page.locator(".legend .label").nth(_legend().index(name))


def only(page: "Page", name: str) -> "Locator":
    return page.locator(".legend .only").nth(_legend().index(name))


def _legend() -> list[str]:
    named = [point.label for point in _drawn() if point.label]
    return [*dict.fromkeys(named), "no label"]


def on(page: "Page") -> list[str]:
    """The labels whose buttons are pressed; only their marks are visible."""
    pressed = page.locator(".legend [aria-pressed=true]")
    names = [button.get_attribute("title") or "" for button in pressed.all()]
    visible = [point for point, mark in zip(_drawn(), page.locator("#plot use").all(), strict=True)
               if mark.is_visible()]  # fmt: skip
    assert {point.label or "no label" for point in visible} == set(names)
    return names


def test_a_mark_shows_its_photo_and_name(show: Show) -> None:
    page = show()
    before = page.locator("#labels").bounding_box()
    assert page.locator("#plot title").count() == 0, "no second name by the browser"
    for point in POINTS:
        if point.path == "Kiwi/twin 1.jpg":
            continue  # under the other
        x, y = centre(page, point.path)
        page.mouse.move(x + 9, y + 9)  # near it is enough
        assert shown(page) == point.path
        assert page.locator("#of").inner_text() == (point.label or "no label")
        pictures = page.locator("#photo img")
        assert pictures.count() == (point.path != LONG)
        for image in pictures.all():
            assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 80
            box = image.bounding_box()
            assert box
            assert box["width"] == box["height"] == 128
    assert page.locator("#labels").bounding_box() == before, "nothing moves"
    page.mouse.move(x - 60, y - 60)
    assert shown(page) is None


def test_escape_and_leaving_the_plot_hide_the_card(show: Show) -> None:
    page = show()
    x, y = centre(page, "Apple/left.jpg")
    page.mouse.move(x, y)
    page.keyboard.press("Escape")
    assert shown(page) is None
    page.mouse.move(x + 1, y)
    assert shown(page) == "Apple/left.jpg"
    page.mouse.move(2, 2)
    assert shown(page) is None


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844), (320, 420)])
def test_the_card_is_inside_the_window(show: Show, width: int, height: int) -> None:
    page = show(width, height)
    for point in POINTS:
        x, y = centre(page, point.path)
        page.evaluate(f"scrollBy({{top: {y - height / 2}, behavior: 'instant'}})")
        x, y = centre(page, point.path)
        page.mouse.move(x, y)
        box = card(page).bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["y"] >= 0
        assert box["x"] + box["width"] <= page.evaluate("document.documentElement.clientWidth")
        assert box["y"] + box["height"] <= height
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_tap_shows_the_photo_and_another_hides_it(show: Show) -> None:
    page = show(390, 844, has_touch=True, is_mobile=True)
    x, y = centre(page, "Apple/right.jpg")
    page.touchscreen.tap(x - 14, y + 14)
    assert shown(page) == "Apple/right.jpg"
    page.touchscreen.tap(x, y + 90)
    assert shown(page) is None
    page.touchscreen.tap(x, y)
    assert shown(page) == "Apple/right.jpg"
    page.touchscreen.tap(*_middle(page.locator("#scatter-h")))
    assert shown(page) is None
    page.touchscreen.tap(x, y)
    page.locator("#scatter-h").dispatch_event("pointerdown")  # the focus stays on iPhones
    assert shown(page) is None
    page.locator(".legend-head").scroll_into_view_if_needed()
    only(page, "Kiwi").tap()
    assert on(page) == ["Kiwi"]


def _middle(element: "Locator") -> tuple[float, float]:
    box = element.bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_arrow_keys_go_from_mark_to_mark(show: Show) -> None:
    page = show(1280, 500)
    page.locator("#scatter-h").click()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "plot"
    assert shown(page) == f"{CLOSE}/low.jpg", "the first of the legend"
    for key, path in (
        ("Up", "Apple/left.jpg"),
        ("Right", "Kiwi/twin 1.jpg"),
        ("Right", "Kiwi/twin 2.jpg"),
        ("Right", "Apple/right.jpg"),
        ("Up", RIGHT_TO_LEFT),
        ("Up", RIGHT_TO_LEFT),
        ("Left", "Kiwi/twin 2.jpg"),
        ("Left", "Kiwi/twin 1.jpg"),
        ("Left", "Apple/left.jpg"),
        ("Down", f"{CLOSE}/low.jpg"),
        ("Right", "Kiwi/twin 1.jpg"),
        ("Right", "Kiwi/twin 2.jpg"),
        ("Right", "Apple/right.jpg"),
        ("Down", LONG),
    ):
        page.keyboard.press(f"Arrow{key}")
        assert shown(page) == path
        box = card(page).bounding_box()
        assert box
        assert 0 <= box["y"] <= 500 - box["height"], "the window follows"
    assert page.locator("#said").text_content() == f"{LONG} — no label"
    page.keyboard.press("Escape")
    assert shown(page) is None
    page.keyboard.press("ArrowDown")
    assert shown(page) == LONG
    page.keyboard.press("Tab")
    assert shown(page) is None


def test_labels_are_switched_on_and_off(show: Show) -> None:
    page = show()
    everything = _legend()
    assert on(page) == everything
    label(page, "Kiwi").click()
    label(page, CLOSE).click()
    assert on(page) == [name for name in everything if name not in ("Kiwi", CLOSE)]
    assert page.locator("#on").inner_text() == "3 of 5 on"
    page.mouse.move(*centre(page, "Apple/left.jpg"))
    assert shown(page) == "Apple/left.jpg"
    label(page, "Apple").press("Space")
    assert shown(page) is None
    x, y = centre(page, LONG)
    page.mouse.move(x, y)
    assert shown(page) == LONG
    only(page, "Apple").press("Enter")
    assert on(page) == ["Apple"]
    page.mouse.move(x + 1, y)
    assert shown(page) is None, "a mark that is off does not answer"
    label(page, RIGHT_TO_LEFT).click()
    assert on(page) == ["Apple", RIGHT_TO_LEFT]
    page.locator("#none").click()
    assert on(page) == []
    page.locator("#all").click()
    assert on(page) == everything
    assert page.locator("#on").inner_text() == ""


def test_without_scripts_the_plot_is_there(show: Show) -> None:
    page = show(java_script_enabled=False)
    assert page.locator("#plot use").count() == len(POINTS)
    assert page.locator("#plot use").first.is_visible()
    assert page.locator("#plot title").count() == len(POINTS)
    assert page.locator("#scatter button:enabled:visible").count() == 0
    assert not page.locator("#hint").is_visible()


def test_it_works_in_the_frame_of_a_notebook(show: Show, report: Path) -> None:
    page = show()
    page.set_content(show_report(str(report.parent), height=900).data)
    frame = page.frame_locator("iframe")
    mark = frame.locator("#plot use").nth(1)
    mark.scroll_into_view_if_needed()
    page.mouse.move(*_middle(mark))
    path = frame.locator("#card:not([hidden]) #path").text_content()
    assert path in {point.path for point in POINTS}
    frame.locator(".legend .only").first.focus()
    frame.locator(".legend .only").first.press("Enter")
    assert frame.locator(".legend [aria-pressed=true]").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_screenshots_are_taken(show: Show, width: int, scheme: str) -> None:
    """For people; and the card covers what is below it in both themes."""
    page = show(width, 844, color_scheme=scheme)
    page.mouse.move(*centre(page, "Apple/left.jpg"))
    colour = card(page).evaluate("card => getComputedStyle(card).backgroundColor")
    assert re.fullmatch(r"rgb\(\d+, \d+, \d+\)", colour)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"report-{scheme}-{width}.png")
