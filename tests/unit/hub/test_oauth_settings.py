"""The settings of a login by an OAuth provider, and which names it may bring."""

from typing import Any

import pytest
from oauth_settings import login_name, problem, traits

GITHUB = {"provider": "github", "client_id": "x", "allowed_users": ["alice"]}
KEYCLOAK = {
    **{"provider": "keycloak", "client_id": "x", "allowed_groups": ["lab"]},
    "url": "https://login.example.org/realms/lab",
}
GENERIC = {
    **{"provider": "generic", "client_id": "x", "allowed_users": ["alice"]},
    "authorize_url": "https://login.example.org/authorize",
    "token_url": "https://login.example.org/token",
    "userdata_url": "https://login.example.org/me",
}


@pytest.mark.parametrize(
    "settings",
    [
        GITHUB,
        {**GITHUB, "provider": "gitlab", "url": "https://gitlab.example.org"},
        {**GITHUB, "allowed_users": ["Alice"], "allowed_groups": ["org", "org:team"]},
        {**KEYCLOAK, "groups_claim": "roles", "username_claim": "uid", "scope": ["openid"]},
        {**GENERIC, "token_url": "http://127.0.0.1:9000/token"},
    ],
    ids=str,
)
def test_good_settings_are_accepted(settings: dict[str, Any]) -> None:
    assert problem(settings) is None


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, "provider is None: use one of github, gitlab, keycloak, generic"),
        ({**GITHUB, "provider": "Google"}, "provider is 'Google'"),
        ({**GITHUB, "client_id": ""}, "client_id is '': it must be text"),
        ({"provider": "github", "allowed_users": ["a"]}, "client_id is missing"),
        ({**GITHUB, "allowed_users": []}, "everybody with an account there could log in"),
        ({**GITHUB, "allowed_users": "alice"}, "it must be a list of names"),
        ({**GITHUB, "allowed_users": ["alice", 7]}, "it must be a list of names"),
        ({**GITHUB, "allowed_groups": [""]}, "it must be a list of names"),
        ({**GITHUB, "allowed_users": ["a.b"]}, "allowed_users has 'a.b': the Hub accepts names"),
        ({**GITHUB, "allow_all": True}, "'allow_all' is no setting of github"),
        ({**GITHUB, "client_secret": "x"}, "'client_secret' is no setting of github"),
        ({**GITHUB, "token_url": "https://x/"}, "'token_url' is no setting of github"),
        ({**GITHUB, "url": "http://gitlab.example.org"}, "begins with https://"),
        ({**GITHUB, "url": "gitlab.example.org"}, "begins with https://"),
        ({**KEYCLOAK, "url": "https://"}, "begins with https://"),
        ({**KEYCLOAK, "allowed_users": ["Alice"]}, "allowed_users has 'Alice'"),
        ({**GENERIC, "userdata_url": None}, "userdata_url is None: it must be text"),
        ({k: v for k, v in GENERIC.items() if k != "userdata_url"}, "userdata_url is missing"),
        ({k: v for k, v in KEYCLOAK.items() if k != "url"}, "url is missing"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_in_one_line(settings: dict[str, Any], wanted: str) -> None:
    said = problem(settings)
    assert said
    assert wanted in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("login", "provider", "name"),
    [
        ("alice", "generic", "alice"),
        ("octo-cat", "github", "octo-cat"),
        ("Octo-Cat", "github", "octo-cat"),  # one account there, in both cases
        ("Alice", "gitlab", "alice"),
        ("Alice", "generic", None),  # another account than alice's, or not: who knows
        ("Alice", "keycloak", None),
        ("alice.martin", "gitlab", None),  # alice-martin is somebody else there
        ("alice@example.org", "keycloak", None),
        ("alice\n", "github", None),
        ("\u212aate", "github", None),  # in lower case, the Kelvin sign is a k
        ("1alice", "github", None),
        ("../alice", "generic", None),
        ("-rf", "generic", None),
        ("a" * 31, "github", "a" * 31),
        ("a" * 32, "github", None),
        ("", "github", None),
        (None, "github", None),
        (7, "generic", None),
    ],
)
def test_names(login: object, provider: str, name: str | None) -> None:
    assert login_name(login, provider) == name


def test_no_more_is_asked_of_the_provider_than_needed() -> None:
    def scope(**settings: Any) -> Any:
        return traits(GITHUB | settings, "secret", "")["scope"]

    assert scope() == []
    assert scope(allowed_groups=["org"]) == ["read:org"]
    assert scope(provider="gitlab") == ["read_user"]  # without a scope, GitLab grants everything
    assert scope(provider="gitlab", allowed_groups=["lab"]) == ["read_user", "read_api"]


def test_the_configuration_of_keycloak() -> None:
    found = traits(KEYCLOAK, "secret", "https://fruits.example.org/hub/oauth_callback")
    assert found["token_url"] == (
        "https://login.example.org/realms/lab/protocol/openid-connect/token"  # noqa: S105
    )
    assert found["oauth_callback_url"] == "https://fruits.example.org/hub/oauth_callback"
    assert found["client_secret"] == "secret"  # noqa: S105
    assert found["manage_groups"]
    assert found["allowed_groups"] == {"lab"}
    assert found["allowed_users"] == set()
