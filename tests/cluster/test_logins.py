"""Wrong passwords at the Hub's login: delays, in parallel too, and how the operator lifts them."""

import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.cookiejar import CookieJar

import pytest

from cluster.local import Cluster, wait_until

FREE = 5


@dataclass(frozen=True)
class Answer:
    status: int
    error: str
    seconds: float


class Browser:
    """A browser with cookies of its own."""

    def __init__(self, cluster: Cluster) -> None:
        self._hub = cluster.hub
        self.cookies = CookieJar()
        handler = urllib.request.HTTPCookieProcessor(self.cookies)
        self._opener = urllib.request.build_opener(handler)

    def log_in(self, name: str, password: str) -> Answer:
        page = self._opener.open(f"{self._hub}/hub/login", timeout=60).read().decode()
        xsrf = re.search(r'name="_xsrf" value="([^"]+)"', page)
        assert xsrf
        form = {"username": name, "password": password, "_xsrf": xsrf[1]}
        began = time.monotonic()
        try:
            url = f"{self._hub}/hub/login?next=/hub/home"
            page = self._opener.open(url, urllib.parse.urlencode(form).encode(), timeout=60)
            status, text = page.status, page.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        said = re.search(r'class="login_error"[^>]*>\s*(.*?)\s*<', text, re.DOTALL)
        return Answer(status, said[1] if said else "", time.monotonic() - began)

    def log_out(self) -> None:
        self._opener.open(f"{self._hub}/hub/logout").read()


@pytest.fixture(scope="module")
def carol(cluster: Cluster) -> str:
    """The password of a user whose logins these tests spoil."""
    return cluster.add_user("carol")


@pytest.fixture(autouse=True)
def unlocked(cluster: Cluster, carol: str) -> Iterator[None]:
    cluster.run("hub-user", "unlock", "carol")
    yield
    cluster.run("hub-user", "unlock", "carol")


def _guess(cluster: Cluster, times: int, name: str = "carol") -> list[Answer]:
    """Wrong passwords, all at once, each from a browser of its own."""
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(lambda _: Browser(cluster).log_in(name, "wrong"), range(times)))


@pytest.mark.smoke
def test_of_parallel_guesses_only_the_free_ones_are_checked(cluster: Cluster, carol: str) -> None:
    answers = _guess(cluster, 24)
    assert [answer.status for answer in answers].count(403) == FREE
    refused = [answer for answer in answers if answer.status != 403]
    assert {answer.status for answer in refused} == {429}
    assert all(re.search(r"try again in \d s", answer.error) for answer in refused)
    # During the delay the right password is refused, too: otherwise guesses would go on.
    assert Browser(cluster).log_in("carol", carol).status == 429
    assert Browser(cluster).log_in(cluster.user, cluster.password).status == 200
    time.sleep(2.5)
    assert Browser(cluster).log_in("carol", "wrong").status == 403
    assert Browser(cluster).log_in("carol", "wrong").error.endswith(("in 4 s.", "in 3 s."))
    time.sleep(4.5)
    assert Browser(cluster).log_in("carol", carol).status == 200
    assert Browser(cluster).log_in("carol", "wrong").status == 403  # counts from the beginning


def test_a_browser_that_the_user_has_used_is_not_locked_out(cluster: Cluster, carol: str) -> None:
    mine = Browser(cluster)
    assert mine.log_in("carol", carol).status == 200
    mine.log_out()
    _guess(cluster, 12)
    assert Browser(cluster).log_in("carol", carol).status == 429
    assert mine.log_in("carol", carol).status == 200
    # It counts for this user only, and it has a limit, too.
    mine.log_out()
    _guess(cluster, 12, cluster.user)
    assert mine.log_in(cluster.user, cluster.password).status == 429
    cluster.run("hub-user", "unlock", cluster.user)
    statuses = [mine.log_in("carol", "wrong").status for _ in range(FREE + 1)]
    assert statuses == [403] * FREE + [429]


def test_a_forged_cookie_is_no_known_browser(cluster: Cluster, carol: str) -> None:
    mine = Browser(cluster)
    mine.log_in("carol", carol)
    mine.log_out()
    (cookie,) = (each for each in mine.cookies if each.name.startswith("fruits-known-"))
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.value
    cookie.value = cookie.value[:-2] + ("00" if cookie.value[-2:] != "00" else "11")
    _guess(cluster, 12)
    assert mine.log_in("carol", carol).status == 429


def test_unlocking_and_a_new_password_lift_the_delay(cluster: Cluster, carol: str) -> None:
    _guess(cluster, 12)
    assert Browser(cluster).log_in("carol", carol).status == 429
    cluster.run("hub-user", "unlock", "carol")
    assert Browser(cluster).log_in("carol", carol).status == 200
    _guess(cluster, 12, "dave")
    password = cluster.add_user("dave")
    assert Browser(cluster).log_in("dave", password).status == 200
    assert "does not exist" in cluster.run("hub-user", "unlock", "nobody-9", check=False)


def test_who_does_not_exist_is_answered_alike_and_as_slowly(cluster: Cluster, carol: str) -> None:
    cluster.run("hub-user", "unlock", "carol")
    names = ("carol", "eve-who-is-not-there", "root", "CAROL")
    answers = {name: [*_guess(cluster, FREE, name), *_guess(cluster, 3, name)] for name in names}
    for name, each in answers.items():
        assert [answer.status for answer in each] == [403] * FREE + [429] * 3, name
        wrong = each[:FREE]
        assert {answer.error for answer in wrong} == {"Invalid username or password"}
        assert all(1 <= answer.seconds < 3 for answer in wrong), each


def test_the_api_counts_too(cluster: Cluster, carol: str) -> None:
    """The Hub gives tokens for passwords without the login page."""

    def token(name: str, password: str) -> int:
        data = json.dumps({"auth": {"username": name, "password": password}}).encode()
        url = f"{cluster.hub}/hub/api/users/carol/tokens"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data), timeout=60) as page:
                return int(page.status)
        except urllib.error.HTTPError as error:
            return error.code

    assert token("carol", carol) == 201
    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(lambda _: token("carol", "wrong"), range(12))) == {403}
    assert token("carol", carol) == 403
    assert token("carol\0", carol) == 403
    assert Browser(cluster).log_in("carol", carol).status == 429


def test_a_restart_of_the_hub_forgets_nothing(cluster: Cluster, carol: str) -> None:
    for wait in (0, 2.2, 4.2, 8.2, 16.2):
        time.sleep(wait)
        _guess(cluster, 12)
    hub = cluster.one("jupyterhub")
    hub.restart()
    wait_until(
        lambda: hub.reload() or hub.attrs["State"]["Health"]["Status"] == "healthy", 120, "healthy"
    )
    assert Browser(cluster).log_in("carol", carol).status == 429
