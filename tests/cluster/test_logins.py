"""Wrong passwords at the Hub's login: delays, in parallel too, and how the operator lifts them."""

import json
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cluster.local import Cluster, wait_until
from cluster.logins import Answer, Browser

FREE = 5


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
    browsers = [Browser(cluster) for _ in range(times)]
    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(lambda browser: browser.log_in(name, "wrong"), browsers))


def _has_guessed(cluster: Cluster, times: int, name: str = "carol") -> None:
    """What `times` wrong passwords leave, without waiting for the delays between them."""
    cluster.run("hub-user", "unlock", name, check=False)
    _guess(cluster, 1, name)
    _count(cluster, 1, times)


_COUNT = """
import sqlite3, sys
before, after = map(int, sys.argv[1:])
with sqlite3.connect("/srv/jupyterhub/state/attempts.sqlite") as db:
    db.execute("UPDATE attempts SET wrong = ? WHERE wrong = ?", (after, before))
"""


def _count(cluster: Cluster, before: int, after: int) -> None:
    """Change the number of wrong attempts of the names that have had `before`."""
    cluster.run("python", "-c", _COUNT, str(before), str(after))


@pytest.mark.smoke
def test_of_parallel_guesses_only_the_free_ones_are_checked(cluster: Cluster, carol: str) -> None:
    answers = _guess(cluster, 24)
    assert [answer.status for answer in answers].count(403) == FREE
    refused = [answer for answer in answers if answer.status != 403]
    assert {answer.status for answer in refused} == {429}
    assert all(re.search(r"try again in \d s", answer.error) for answer in refused)
    assert Browser(cluster).log_in(cluster.user, cluster.password).status == 200


def test_during_a_delay_the_right_password_is_refused_too_and_afterwards_it_works(
    cluster: Cluster, carol: str
) -> None:
    _has_guessed(cluster, 8)
    began = time.monotonic()
    answer = Browser(cluster).log_in("carol", carol)
    assert answer.status == 429
    seconds = re.fullmatch(r"Too many wrong passwords: try again in (\d+) s\.", answer.error)
    assert seconds
    assert 4 < int(seconds[1]) <= 16
    time.sleep(began + int(seconds[1]) + 1 - time.monotonic())
    assert Browser(cluster).log_in("carol", carol).status == 200
    # It counts from the beginning again.
    assert [answer.status for answer in _guess(cluster, 8)].count(403) == FREE


def test_after_a_hundred_the_operator_must_unlock(cluster: Cluster, carol: str) -> None:
    _has_guessed(cluster, 100)
    answer = Browser(cluster).log_in("carol", carol)
    assert answer.status == 429
    assert "locked" in answer.error
    cluster.run("hub-user", "unlock", "carol")
    assert Browser(cluster).log_in("carol", carol).status == 200


def test_a_browser_that_the_user_has_used_is_not_locked_out(cluster: Cluster, carol: str) -> None:
    mine = Browser(cluster)
    assert mine.log_in("carol", carol).status == 200
    mine.log_out()
    _has_guessed(cluster, 100)
    assert Browser(cluster).log_in("carol", carol).status == 429
    assert mine.log_in("carol", carol).status == 200
    # It counts for this user only, and it has a limit, too.
    mine.log_out()
    _has_guessed(cluster, 12, cluster.user)
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
    _has_guessed(cluster, 12)
    assert mine.log_in("carol", carol).status == 429


def test_unlocking_and_a_new_password_lift_the_delay(cluster: Cluster, carol: str) -> None:
    _has_guessed(cluster, 12)
    assert Browser(cluster).log_in("carol", carol).status == 429
    cluster.run("hub-user", "unlock", "carol")
    assert Browser(cluster).log_in("carol", carol).status == 200
    _has_guessed(cluster, 12, "dave")
    password = cluster.add_user("dave")
    assert Browser(cluster).log_in("dave", password).status == 200
    assert "does not exist" in cluster.run("hub-user", "unlock", "nobody-9", check=False)


def test_who_does_not_exist_is_answered_alike_and_as_slowly(cluster: Cluster, carol: str) -> None:
    names = ("carol", "eve-who-is-not-there", "root", "CAROL")
    for name in names:
        each = _guess(cluster, FREE + 3, name)
        wrong = [answer for answer in each if answer.status == 403]
        assert len(wrong) == FREE, name
        assert {answer.status for answer in each} == {403, 429}
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
    _count(cluster, FREE, 12)  # so that the delay is not over too soon
    assert token("carol", carol) == 403
    assert token("carol\0", carol) == 403
    assert Browser(cluster).log_in("carol", carol).status == 429


def test_a_restart_of_the_hub_forgets_nothing(cluster: Cluster, carol: str) -> None:
    _has_guessed(cluster, 12)
    hub = cluster.one("jupyterhub")
    hub.restart()
    wait_until(lambda: "healthy" in _status(hub), 120, "the Hub is healthy after a restart")
    assert Browser(cluster).log_in("carol", carol).status == 429


def _status(container: Any) -> str:
    container.reload()
    return str(container.attrs["State"]["Health"]["Status"]).replace("unhealthy", "")
