"""Logins by an OAuth provider: who gets in, as whom, and until when."""

import json
from collections.abc import Iterator
from typing import Any

import leftovers
import pytest

from cluster.local import wait_until
from cluster.oauth import PROJECT, Hub, Visitor, new_hub
from cluster.provider import SECRET

_ENVIRON_OF_SERVER = """
for process in /proc/[0-9]*; do
    if grep -qas singleuse[r] $process/cmdline; then tr '\\0' '\\n' <$process/environ; fi
done
"""
_AGE = """
import sys, time
from pathlib import Path
from tornado.web import create_signed_value, decode_signed_value
name, cookie, hours = sys.argv[1:]
secret = bytes.fromhex(Path("/srv/jupyterhub/state/cookie_secret").read_text())
then = time.time() - float(hours) * 3600
value = decode_signed_value(secret, name, cookie)
print(create_signed_value(secret, name, value, clock=lambda: then).decode())
"""


@pytest.fixture(scope="module")
def started(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hub]:
    hub = new_hub(tmp_path_factory.mktemp("secrets"))
    project = f"label=com.docker.compose.project={PROJECT}"
    leftovers.say(request.config, leftovers.remove_containers(project))
    try:
        yield hub
    finally:
        hub.compose("down", "--volumes", "--timeout", "3", check=False)


def _settings(hub: Hub) -> dict[str, Any]:
    return {
        "provider": "generic",
        "authorize_url": f"{hub.provider}/authorize",
        "token_url": f"{hub.provider}/token",
        "userdata_url": f"{hub.provider}/userinfo",
        "allowed_users": ["alice", "bob", "root", "predictor"],
        "allowed_groups": ["it's a team"],
    }


@pytest.fixture
def hub(started: Hub) -> Hub:
    started.start(_settings(started))
    return started


@pytest.mark.smoke
def test_who_is_allowed_gets_an_account_and_a_server(hub: Hub) -> None:
    alice = Visitor(hub, as_="alice")
    status, page = alice.log_in()
    assert status == 200
    assert "alice" in page
    number = int(hub.run("id", "-u", "alice"))
    assert number >= 20000
    assert hub.run("stat", "-c", "%U %a", "/home/alice") == "alice 700"
    assert alice.open("/services/recognise/")[0] == 200
    assert alice.post("/hub/api/users/alice/tokens") == 403  # with one, a login would never end

    alice.open("/hub/spawn/alice")
    environ_of_server = ("as-user", "alice", "sh", "-c", _ENVIRON_OF_SERVER)
    wait_until(lambda: "JUPYTERHUB_USER=alice" in hub.run(*environ_of_server), 60, "server")
    environ = hub.run(*environ_of_server)
    assert "HUB_OAUTH=" not in environ
    secret = hub.run("as-user", "alice", "sh", "-c", "cat /run/secrets/oauth; env", check=False)
    assert "Permission denied" in secret
    assert SECRET not in secret + environ

    for name, message in {
        "mallory": "You are not among those who may use this Hub",
        "root": "root is a system account",
        "predictor": "predictor is a system account",
        "Alice": "the Hub accepts names of up to 31 lower-case letters",
        "alice\n": "the Hub accepts names of up to 31 lower-case letters",
        "../alice": "the Hub accepts names of up to 31 lower-case letters",
    }.items():
        visitor = Visitor(hub, as_=name)
        status, page = visitor.log_in()
        assert (status, message in page) == (403, True), (name, page)
        assert visitor.open("/hub/home")[1].startswith("/hub/login")
    assert hub.run("hub-user", "list") == "alice"
    logs = hub.compose("logs", "jupyterhub")
    assert SECRET not in logs
    assert "@example.org" not in logs


def test_a_name_stays_with_the_account_that_had_it_first(hub: Hub) -> None:
    first = Visitor(hub, as_="bob", sub="1")
    assert first.log_in()[0] == 200
    hub.run("as-user", "bob", "touch", "mine")
    status, page = Visitor(hub, as_="bob", sub="2").log_in()
    assert status == 403
    assert "belongs to another account" in page

    assert first.open("/hub/home")[1] == "/hub/home"
    hub.run("hub-user", "unlink", "bob")
    assert Visitor(hub, as_="bob", sub="2").log_in()[0] == 200
    assert first.open("/hub/home")[1].startswith("/hub/login")
    assert Visitor(hub, as_="bob", sub="1").log_in()[0] == 403


def test_an_account_with_a_password_is_only_given_to_who_is_named(hub: Hub) -> None:
    command = "echo a-long-password | hub-user set {}"
    for name in ("carol", "alice"):
        hub.run("sh", "-c", "sed -i '/^alice:/d' /srv/jupyterhub/users/etc/linked")
        hub.run("sh", "-c", command.format(name))
    status, page = Visitor(hub, as_="carol", groups="it's a team").log_in()
    assert status == 403
    assert "add carol to allowed_users" in page
    assert Visitor(hub, as_="alice").log_in()[0] == 200


def test_a_group_is_allowed_and_passwords_are_not(hub: Hub) -> None:
    assert Visitor(hub, as_="dan", groups="others").log_in()[0] == 403
    dan = Visitor(hub, as_="dan", groups="others,it's a team")
    assert dan.log_in()[0] == 200
    hub.run("sh", "-c", "echo a-long-password | hub-user set dan")
    assert dan.open("/hub/login?next=/hub/home")[0] == 200
    assert 'name="password"' not in Visitor(hub, as_="dan").open("/hub/login")[2]


def test_who_is_removed_or_erased_does_not_come_back(hub: Hub) -> None:
    erin = Visitor(hub, as_="erin", groups="it's a team")
    assert erin.log_in()[0] == 200
    hub.run("hub-user", "remove", "erin")
    status, address, _ = erin.open("/hub/spawn/erin")
    assert "/hub/spawn-pending" not in address, status
    status, page = Visitor(hub, as_="erin", groups="it's a team").log_in()
    assert status == 403
    assert "the operator has removed erin" in page
    hub.run("hub-user", "admit", "erin")
    assert Visitor(hub, as_="erin", groups="it's a team").log_in()[0] == 200
    assert "does not exist yet" in hub.run("hub-user", "admit", "frank", check=False)

    number = hub.run("id", "-u", "erin")
    hub.run("hub-user", "erase", "erin")
    assert "erin" not in hub.run("sh", "-c", "cat /srv/jupyterhub/users/etc/*; ls /home")
    # Somebody of that name who is still allowed is somebody else.
    assert Visitor(hub, as_="erin", sub="9", groups="it's a team").log_in()[0] == 200
    assert hub.run("id", "-u", "erin") != number


def test_who_is_erased_but_still_listed_may_come_back(hub: Hub) -> None:
    for number in ("11", "12"):
        hub.run("hub-user", "erase", "alice", check=False)  # the first time from another test
        assert Visitor(hub, as_="alice", sub=number).log_in()[0] == 200
    hub.run("hub-user", "erase", "alice")


def test_a_login_ends_after_twelve_hours(hub: Hub) -> None:
    bob = Visitor(hub, as_="bob", sub="2")
    assert bob.log_in()[0] == 200
    (cookie,) = (cookie for cookie in bob.cookies if cookie.name == "jupyterhub-hub-login")
    made = str(cookie.value).strip('"')
    for hours, page in (("11.9", "/hub/home"), ("12.1", "/hub/login")):
        cookie.value = hub.run("python", "-c", _AGE, cookie.name, made, hours)
        bob.cookies.set_cookie(cookie)
        assert bob.open("/hub/home")[1].startswith(page)


def test_who_is_no_longer_listed_is_logged_out(started: Hub, hub: Hub) -> None:
    alice = Visitor(hub, as_="alice")
    assert alice.log_in()[0] == 200
    started.start(_settings(started) | {"allowed_users": ["bob"]})
    assert alice.open("/hub/home")[1].startswith("/hub/login")
    assert alice.log_in()[0] == 403
    assert int(hub.run("id", "-u", "alice")) >= 20000  # with all files


def test_github(started: Hub) -> None:
    started.start(
        {"provider": "github", "url": f"{started.provider}", "allowed_groups": ["our-org"]}
    )
    # Its addresses are those of GitHub Enterprise; names of both cases are one account there.
    status, page = Visitor(started, as_="Octo-Cat", groups="our-org").log_in()
    assert (status, "octo-cat" in page) == (200, True), page
    assert int(started.run("id", "-u", "octo-cat")) >= 20000
    assert Visitor(started, as_="mallory").log_in()[0] == 403
    assert Visitor(started, as_="root", groups="our-org").log_in()[0] == 403


def test_settings_that_allow_everybody_are_refused(hub: Hub) -> None:
    settings = {"client_id": "x", "provider": "github"}
    said = hub.run(
        *("env", f"HUB_OAUTH={json.dumps(settings)}", "jupyterhub"),
        *("--config", "/etc/jupyterhub/jupyterhub_config.py"),
        check=False,
    )
    assert "HUB_OAUTH: set allowed_users or allowed_groups" in said
    assert "Traceback" not in said
