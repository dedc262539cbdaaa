"""The recognition page behind the Hub's login, in headless Chromium."""

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from browser import browser_or_skip, log_in
from PIL import Image
from places import HEIC, SAMPLES, SCREENSHOTS

from cluster.local import Cluster

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PAGE = "services/recognise/"


@pytest.fixture(scope="module")
def trained(cluster: Cluster) -> None:
    """A classifier trained on the samples, which `make local-run` makes."""
    cluster.make("local-run")


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    yield from browser_or_skip()


def _page(browser: "Browser", cluster: Cluster, user: str, password: str, **how: object) -> "Page":
    from playwright.sync_api import TimeoutError

    page = browser.new_context(**how).new_page()  # type: ignore[arg-type]
    page.goto(f"{cluster.hub}/{PAGE}")
    log_in(page, user, password)
    try:
        page.wait_for_selector("#choose:enabled", timeout=60_000)
    except TimeoutError:
        raise AssertionError(f"{page.url} shows {page.inner_text('body')!r}") from None
    return page


def _ask(page: "Page", name: str, data: bytes) -> None:
    page.set_input_files("#file", {"name": name, "mimeType": "image/jpeg", "buffer": data})


def _answer(page: "Page", name: str, data: bytes) -> str:
    _ask(page, name, data)
    page.wait_for_selector("#result:not([hidden])", timeout=60_000)
    return page.inner_text("#label")


@pytest.mark.smoke
def test_a_photo_is_named_on_a_desktop_in_english(
    cluster: Cluster, trained: None, browser: "Browser"
) -> None:
    desktop = {"viewport": {"width": 1280, "height": 900}, "locale": "en-GB"}
    page = _page(browser, cluster, cluster.user, cluster.password, **desktop)
    photo = (SAMPLES / "Banana" / "banana_03.jpg").read_bytes()
    assert _answer(page, "banana.jpg", photo) == "Banana"
    assert page.inner_text("#sure").endswith("%")
    assert page.locator("#nearest img").count() == 4
    assert "Banana" in page.inner_text("#nearest")
    page.screenshot(path=SCREENSHOTS / "recognise-desktop.png", full_page=True)


def test_on_a_phone_in_french_it_fits_and_takes_photos(
    cluster: Cluster, trained: None, browser: "Browser"
) -> None:
    phone = {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
        "locale": "fr-FR",
    }
    page = _page(browser, cluster, cluster.user, cluster.password, **phone)
    assert page.inner_text("h1") == "Reconnaître"
    assert page.is_visible("#take")
    assert page.get_attribute("#camera", "capture") == "environment"
    _answer(page, "IMG_0412.HEIC", HEIC.read_bytes())
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("document.getElementById('photo').naturalWidth") > 100
    page.screenshot(path=SCREENSHOTS / "recognise-phone.png", full_page=True)


def test_the_hubs_home_links_to_it_and_a_sample_is_one_click_away(
    cluster: Cluster, trained: None, browser: "Browser"
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900}, locale="en-GB")
    page.goto(f"{cluster.hub}/hub/home")
    log_in(page, cluster.user, cluster.password)
    page.wait_for_selector("#recognise")
    assert page.locator("a.dropdown-item", has_text="recognise").count() == 1
    page.screenshot(path=SCREENSHOTS / "hub-home.png")
    page.click("#recognise")
    page.locator("#samples button:enabled").first.click()
    page.wait_for_selector("#result:not([hidden])", timeout=60_000)
    assert page.inner_text("#label") == "Apple (Green)"


def test_noise_is_not_named(cluster: Cluster, trained: None, browser: "Browser") -> None:
    page = _page(browser, cluster, cluster.user, cluster.password, locale="en-GB")
    out = io.BytesIO()
    Image.effect_noise((300, 300), 200).convert("RGB").save(out, "PNG")
    assert _answer(page, "noise.png", out.getvalue()) == "Not sure"


def test_what_is_no_photo_gets_a_kind_word_and_the_next_one_an_answer(
    cluster: Cluster, trained: None, browser: "Browser"
) -> None:
    page = _page(browser, cluster, cluster.user, cluster.password, locale="en-GB")
    for name, data, words in (
        ("broken.jpg", b"\xff\xd8 no more", "can't be read as a photo"),
        ("huge.jpg", bytes(31 * 2**20), "too large"),
        ("bomb.png", _bomb(), "too large"),
    ):
        _ask(page, name, data)
        page.wait_for_selector(f"#status.error:has-text({words!r})", timeout=60_000)
        assert page.is_hidden("#result")
    photo = (SAMPLES / "Kiwi" / "kiwi_02.jpg").read_bytes()
    assert _answer(page, "kiwi.jpg", photo) == "Kiwi"


def _bomb() -> bytes:
    """A small file with very many pixels."""
    out = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(out, "PNG")
    return out.getvalue()


def test_it_works_by_keyboard_alone(cluster: Cluster, trained: None, browser: "Browser") -> None:
    page = _page(browser, cluster, cluster.user, cluster.password, locale="en-GB")
    page.on("filechooser", lambda chooser: chooser.set_files(SAMPLES / "Lemon" / "lemon_01.jpg"))
    page.keyboard.press("Tab")  # the link
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "choose"
    page.keyboard.press("Enter")
    page.wait_for_selector("#result:not([hidden])", timeout=60_000)
    assert page.evaluate("document.activeElement.id") == "result"


def test_two_users_at_once_both_get_answers(
    cluster: Cluster, trained: None, browser: "Browser"
) -> None:
    password = cluster.add_user("mary")
    pages = [
        _page(browser, cluster, cluster.user, cluster.password, locale="en-GB"),
        _page(browser, cluster, "mary", password, locale="en-GB"),
    ]
    kinds = ("Banana", "Strawberry")
    for page, kind in zip(pages, kinds, strict=True):
        _ask(page, "photo.jpg", (SAMPLES / kind / f"{kind.lower()}_01.jpg").read_bytes())
    for page, kind in zip(pages, kinds, strict=True):
        page.wait_for_selector("#result:not([hidden])", timeout=60_000)
        assert page.inner_text("#label") == kind


def test_who_is_not_logged_in_gets_the_login(cluster: Cluster, browser: "Browser") -> None:
    page = browser.new_context().new_page()
    page.goto(f"{cluster.hub}/{PAGE}")
    page.wait_for_selector("#login_submit")
    refused = page.request.post(f"{cluster.hub}/{PAGE}predict/samples", data=b"photo")
    assert refused.status == 403


def test_nothing_of_a_photo_is_stored_or_logged(
    cluster: Cluster, trained: None, browser: "Browser"
) -> None:
    def files() -> set[str]:
        """Files written in the last minute in folders that are writable by services."""
        find = "find /srv /tmp /run /var/tmp -type f -mmin -1 2>/dev/null; true"
        return set(cluster.run("sh", "-c", find).split())

    objects = {item["Key"] for item in cluster.s3.list_objects_v2(Bucket="fruits")["Contents"]}
    page = _page(browser, cluster, cluster.user, cluster.password, locale="en-GB")
    before = files()
    photo = (SAMPLES / "Pear" / "pear_01.jpg").read_bytes()
    _answer(page, "a-very-private-name.jpg", photo)
    new = files() - before
    assert not [path for path in new if "jupyterhub.sqlite" not in path], new
    after = {item["Key"] for item in cluster.s3.list_objects_v2(Bucket="fruits")["Contents"]}
    assert after == objects
    assert "a-very-private-name" not in cluster.one("jupyterhub").logs().decode()
