"""The settings of logins by an OAuth 2.0 provider: the variable HUB_OAUTH, `hub_oauth` in ansible/.

    {"provider": "github", "client_id": "…", "allowed_users": ["alice"], "allowed_groups": ["org"]}

`client_secret_file` is for ansible/, which installs that file as the secret `oauth`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

NAME = r"[a-z][a-z0-9_-]{0,30}"
"""Names that `hub-user` accepts."""

PROVIDERS = {
    "github": ("https://github.com", ("allowed_groups", "allowed_users", "url")),
    "gitlab": ("https://gitlab.com", ("allowed_groups", "allowed_users", "url")),
    "keycloak": (
        "",
        ("allowed_groups", "allowed_users", "groups_claim", "scope", "url", "username_claim"),
    ),
    "generic": (
        "",
        (
            *("allowed_groups", "allowed_users", "authorize_url", "groups_claim", "scope"),
            *("token_url", "userdata_url", "username_claim"),
        ),
    ),
}
"""Each provider's own address, and its settings besides `provider` and those of the client."""

_LISTS = ("allowed_users", "allowed_groups", "scope")


def problem(settings: Mapping[str, Any]) -> str | None:
    """What is wrong, in one line; None if nothing is."""
    return next(_problems(settings), None)


def _problems(settings: Mapping[str, Any]) -> Iterator[str]:
    """Each line only makes sense if those before it were none."""
    provider = settings.get("provider")
    if provider not in PROVIDERS:
        yield f"provider is {provider!r}: use one of {', '.join(PROVIDERS)}"
        return
    known = {"provider", "client_id", "client_secret_file", *PROVIDERS[provider][1]}
    if unknown := sorted(map(str, settings.keys() - known)):
        yield f"{unknown[0]!r} is no setting of {provider}: use {', '.join(sorted(known))}"
    for name, value in settings.items():
        if name in _LISTS:
            if not isinstance(value, list) or not all(_is_text(item) for item in value):
                yield f"{name} is {value!r}: it must be a list of names, such as [alice, bob]"
        elif not _is_text(value):
            yield f"{name} is {value!r}: it must be text"
        elif name.endswith("url") and not _is_address(value):
            yield f"{name} is {value!r}: it must be an address that begins with https://"
    for name in ("client_id", *_addresses(provider)):
        if not settings.get(name):
            yield f"{name} is missing"
    if not settings.get("allowed_users") and not settings.get("allowed_groups"):
        yield "set allowed_users or allowed_groups: everybody with an account there could log in"
    for user in settings.get("allowed_users", []):
        if not login_name(user, provider):
            yield f"allowed_users has {user!r}: the Hub accepts {RULE}"


RULE = (
    "names of up to 31 lower-case letters (a to z), digits, - and _ that begin with a letter, and "
    "no names of system accounts"
)


def _addresses(provider: str) -> list[str]:
    """The addresses that must be set."""
    if provider == "generic":
        return ["authorize_url", "token_url", "userdata_url"]
    return ["url"] if provider == "keycloak" else []


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def _is_address(text: str) -> bool:
    parts = urlsplit(text)
    # The secret and all tokens pass over it; on this machine alone, a test may have no certificate.
    here = parts.hostname in ("localhost", "127.0.0.1")
    return bool(parts.hostname) and (parts.scheme == "https" or (here and parts.scheme == "http"))


def login_name(login: object, provider: str) -> str | None:
    """The Hub's name for a login of the provider; None if it can have none.

    Two logins get one name only where the provider itself takes them for one: GitHub and GitLab
    ignore case.
    """
    if not isinstance(login, str) or not login.isascii():
        return None
    name = login.lower() if provider in ("github", "gitlab") else login
    return name if re.fullmatch(NAME, name) else None


def traits(settings: Mapping[str, Any], secret: str, callback_url: str) -> dict[str, Any]:
    """The configuration of oauthenticator's class for the provider."""
    provider = settings["provider"]
    url = settings.get("url", PROVIDERS[provider][0]).rstrip("/")
    groups = set(settings.get("allowed_groups", []))
    found: dict[str, Any] = {
        "client_id": settings["client_id"],
        "client_secret": secret,
        "allowed_users": {
            name
            for user in settings.get("allowed_users", [])
            if (name := login_name(user, provider))
        },
    }
    if callback_url:
        found["oauth_callback_url"] = callback_url
    if provider == "github":
        scope = ["read:org"] if groups else []
        return found | {"github_url": url, "allowed_organizations": groups, "scope": scope}
    if provider == "gitlab":
        # Without a scope, GitLab grants everything.
        scope = ["read_user", "read_api"] if groups else ["read_user"]
        return found | {"gitlab_url": url, "allowed_gitlab_groups": groups, "scope": scope}
    if provider == "keycloak":
        oidc = f"{url}/protocol/openid-connect"
        found |= {
            "login_service": "Keycloak",
            "authorize_url": f"{oidc}/auth",
            "token_url": f"{oidc}/token",
            "userdata_url": f"{oidc}/userinfo",
        }
    else:
        found |= {name: settings[name] for name in _addresses(provider)}
        found["login_service"] = urlsplit(settings["authorize_url"]).hostname
    found |= {
        "scope": settings.get("scope", ["openid", "profile"]),
        "username_claim": settings.get("username_claim", "preferred_username"),
    }
    if groups:
        found |= {
            "manage_groups": True,
            "allowed_groups": groups,
            "auth_state_groups_key": f"oauth_user.{settings.get('groups_claim', 'groups')}",
        }
    return found
