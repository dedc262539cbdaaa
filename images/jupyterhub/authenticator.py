"""The Hub's logins: PAM, with a limit for wrong passwords (`attempts`)."""

import asyncio
import math
import secrets
import time
from hashlib import blake2b
from typing import Any

from accounts import is_account
from attempts import Attempts
from jupyterhub.auth import PAMAuthenticator
from jupyterhub.utils import get_browser_protocol
from tornado.web import HTTPError

_WRONG_TAKES_S = 1.0
_BROWSER_DAYS = 180


class LimitedPAMAuthenticator(PAMAuthenticator):  # type: ignore[misc]
    """Refuses attempts that come too soon, whatever their password.

    What it does is the same for names that don't exist, and takes as long.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._attempts = Attempts()

    async def authenticate(self, handler: Any, data: dict[str, Any]) -> str | None:
        name, password = str(data.get("username", "")), str(data.get("password", ""))
        began, browser = time.monotonic(), _known_browser(handler, name)
        # No await before this: of parallel attempts each sees those before it.
        left = self._attempts.wait_s(name, browser)
        if left != 0:
            raise HTTPError(429, _refusal(left), reason="Too many wrong passwords")
        found = None
        if is_account(name):  # other names never reach PAM
            found = await super().authenticate(handler, {"username": name, "password": password})
        if found is None:
            await asyncio.sleep(max(0, _WRONG_TAKES_S - (time.monotonic() - began)))
            return None
        self._attempts.succeeded(name, browser)
        _remember_browser(handler, name, browser)
        return name


def _refusal(left_s: float | None) -> str:
    if left_s is None:
        return (
            "Too many wrong passwords: this user name is locked, except in browsers in which the "
            "user has logged in before. Ask the operator of the Hub to unlock it."
        )
    s = math.ceil(left_s)
    return f"Too many wrong passwords: try again in {s} s."


def _cookie(name: str) -> str:
    """The name of the cookie that a user's browsers have; several users may share a browser."""
    return f"fruits-known-{blake2b(name.encode(), digest_size=8).hexdigest()}"


def _known_browser(handler: Any, name: str) -> str:
    """A random identifier of a browser in which the user has logged in before, or "".

    The cookie is signed by the Hub, and signed for this name.
    """
    value = handler.get_signed_cookie(_cookie(name), max_age_days=_BROWSER_DAYS)
    return value.decode() if value else ""


def _remember_browser(handler: Any, name: str, browser: str) -> None:
    handler.set_signed_cookie(
        _cookie(name),
        browser or secrets.token_hex(16),
        expires_days=_BROWSER_DAYS,
        path=handler.hub.base_url,
        httponly=True,
        secure=get_browser_protocol(handler.request) == "https",
        samesite="Strict",
    )
