"""The Hub's logins by an OAuth provider, if one is configured (`oauth_settings`).

The classes are oauthenticator's, which asks the provider who it is and whether the lists allow it.
What is added here: who is allowed gets an account of `hub-user`, which stays with that account of
the provider. A login ends with its cookie (LOGIN_DAYS), with the Hub, or with the account.
"""

import asyncio
import json
import sys
from hashlib import blake2b
from pathlib import Path
from typing import Any

from accounts import may_log_in
from oauth_settings import RULE, login_name, problem, traits
from oauthenticator.generic import GenericOAuthenticator
from oauthenticator.github import GitHubOAuthenticator
from oauthenticator.gitlab import GitLabOAuthenticator
from tornado.web import HTTPError

SECRET = Path("/run/secrets/oauth")
LOGIN_DAYS = 0.5
"""How long a browser stays logged in. With tokens users would stay longer: they can make none."""


class _Accounts:
    """What is the same for all providers."""

    provider = ""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._logged_in: set[str] = set()
        self._creating = asyncio.Lock()

    def normalize_username(self, username: str) -> str:
        return login_name(username, self.provider) or username

    def validate_username(self, username: str) -> bool:
        return login_name(username, self.provider) == username

    def user_info_to_username(self, user_info: dict[str, Any]) -> str:
        """The library's would log all that the provider says about somebody without a name."""
        login = user_info.get(self.username_claim)  # type: ignore[attr-defined]
        name = login_name(login, self.provider)
        if not name:
            raise HTTPError(403, f"Your name there is {login!r}, but the Hub accepts {RULE}.")
        return name

    async def run_post_auth_hook(self, handler: Any, auth_model: dict[str, Any]) -> dict[str, Any]:
        """Called for those who are allowed."""
        name = auth_model["name"]
        info = auth_model["auth_state"][self.user_auth_state_key]  # type: ignore[attr-defined]
        named = name in self.allowed_users  # type: ignore[attr-defined]
        await self._ensure_account(name, self._identity(info), "named" if named else "")
        self._logged_in.add(name)
        return auth_model

    def _identity(self, user_info: dict[str, Any]) -> str:
        """Of the provider's account, even if it is renamed and another one gets its name."""
        number = user_info.get("sub") or user_info.get("id")
        if not number:
            raise HTTPError(403, "The provider does not identify your account: it sends no `sub`.")
        text = json.dumps([self.authorize_url, str(number)])  # type: ignore[attr-defined]
        return blake2b(text.encode(), digest_size=16).hexdigest()

    async def _ensure_account(self, name: str, identity: str, named: str) -> None:
        async with self._creating:
            hub_user = await asyncio.create_subprocess_exec(
                *("hub-user", "login", name, identity, named),
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
            _, said = await hub_user.communicate()
        if hub_user.returncode == 2:
            message = said.decode("utf-8", "replace").strip().removeprefix("hub-user: ")
            raise HTTPError(403, message)
        if hub_user.returncode:
            raise RuntimeError(f"hub-user login {name}: {said.decode('utf-8', 'replace')}")

    async def refresh_user(self, user: Any, handler: Any = None, **_: Any) -> bool:
        """Whether the login is still good; JupyterHub asks every five minutes.

        Who has not logged in since the Hub's start may no longer be on the lists.
        """
        return user.name in self._logged_in and may_log_in(user.name)

    def delete_user(self, user: Any) -> None:
        """The library's takes who was erased from the operator's list, until the next start."""


class GitHubLogin(_Accounts, GitHubOAuthenticator):  # type: ignore[misc]
    provider = "github"


class GitLabLogin(_Accounts, GitLabOAuthenticator):  # type: ignore[misc]
    provider = "gitlab"


class OpenIDLogin(_Accounts, GenericOAuthenticator):  # type: ignore[misc]
    provider = "generic"


_CLASSES = {"github": GitHubLogin, "gitlab": GitLabLogin}


def configure(c: Any, text: str, domain: str) -> None:
    """Set JupyterHub's configuration `c` as HUB_OAUTH says; exits if that is wrong."""
    try:
        settings = json.loads(text)
    except ValueError as error:
        sys.exit(f"HUB_OAUTH is not valid JSON: {error}")
    if wrong := problem(settings) if isinstance(settings, dict) else "it must be a JSON object":
        sys.exit(f"HUB_OAUTH: {wrong}")
    secret = SECRET.read_text().strip() if SECRET.exists() else ""
    if not secret:
        sys.exit("HUB_OAUTH is set, but no client secret: write it to the file secrets/oauth")
    chosen = _CLASSES.get(settings["provider"], OpenIDLogin)
    c.JupyterHub.authenticator_class = chosen
    callback = f"https://{domain}/hub/oauth_callback" if domain else ""
    c[chosen.__name__].update(traits(settings, secret, callback))
    c.OAuthenticator.custom_403_message = (
        "You are not among those who may use this Hub: ask its operator."
    )
    # A login that is no longer good also ends tokens.
    c.Authenticator.auth_refresh_strict = True
    c.Authenticator.refresh_pre_spawn = True
    c.JupyterHub.cookie_max_age_days = LOGIN_DAYS
    c.JupyterHub.token_expires_in_max_seconds = int(LOGIN_DAYS * 24 * 3600)
