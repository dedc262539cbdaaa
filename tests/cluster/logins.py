"""The Hub's login page, as a browser uses it."""

import re
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from http.cookiejar import CookieJar

from cluster.local import Cluster


@dataclass(frozen=True)
class Answer:
    status: int
    error: str
    seconds: float


class Browser:
    """A browser with cookies of its own, that shows the login page."""

    def __init__(self, cluster: Cluster) -> None:
        self._hub = cluster.hub
        self.cookies = CookieJar()
        handler = urllib.request.HTTPCookieProcessor(self.cookies)
        self._opener = urllib.request.build_opener(handler)
        self._show_login()

    def _show_login(self) -> None:
        page = self._opener.open(f"{self._hub}/hub/login", timeout=60).read().decode()
        xsrf = re.search(r'name="_xsrf" value="([^"]+)"', page)
        assert xsrf
        self._xsrf = xsrf[1]

    def log_in(self, name: str, password: str) -> Answer:
        form = {"username": name, "password": password, "_xsrf": self._xsrf}
        began = time.monotonic()
        try:
            url = f"{self._hub}/hub/login?next=/hub/home"
            page = self._opener.open(url, urllib.parse.urlencode(form).encode(), timeout=60)
            status, text = page.status, page.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        said = re.search(r'class="login_error"[^>]*>\s*(.*?)\s*<', text, re.DOTALL)
        return Answer(status, said[1] if said else "", time.monotonic() - began)

    def open(self, path: str) -> str:
        with self._opener.open(f"{self._hub}{path}", timeout=60) as page:
            text: str = page.read().decode("utf-8")
        return text

    def log_out(self) -> None:
        self._opener.open(f"{self._hub}/hub/logout").read()
        self._show_login()
