"""The Hub, as a browser sees it."""

from contextlib import suppress
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener


def may_log_in(port: int, password: str) -> bool:
    """Whether the Hub behind the port of this machine accepts the password."""
    jar = CookieJar()
    browser = build_opener(HTTPCookieProcessor(jar))
    address = f"http://127.0.0.1:{port}/hub/login"
    browser.open(address, timeout=20).close()
    xsrf = next(cookie.value for cookie in jar if cookie.name == "_xsrf")
    form = {"username": "scientist", "password": password, "_xsrf": xsrf}
    with suppress(HTTPError):
        browser.open(address, urlencode(form).encode(), timeout=120).close()
    return any(cookie.name.startswith("jupyterhub-session-id") for cookie in jar) and any(
        cookie.name == "jupyterhub-hub-login" for cookie in jar
    )
