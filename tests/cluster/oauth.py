"""A Hub whose logins are by OAuth, and a browser that logs in to it through the provider."""

import json
import os
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from places import ROOT
from ports import free_ports

from cluster.provider import CLIENT, SECRET

PROJECT = "fruits-test-oauth"


@dataclass(frozen=True)
class Hub:
    """The Hub's container, an OAuth provider and a bucket, of the project's own compose.yaml."""

    environ: dict[str, str]
    url: str
    provider: str

    def compose(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(
            ["docker", "compose", *words],  # noqa: S607
            cwd=ROOT / "compose",
            env=self.environ,
            text=True,
            capture_output=True,
            timeout=300,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"docker compose {words}:\n{done.stdout}\n{done.stderr}")
        return done.stdout + done.stderr

    def run(self, *command: str, check: bool = True) -> str:
        return self.compose("exec", "-T", "jupyterhub", *command, check=check).strip()

    def start(self, settings: dict[str, Any]) -> None:
        """Start it, or start it anew with these settings."""
        self.environ["HUB_OAUTH"] = json.dumps({"client_id": CLIENT} | settings)
        services = ("object-store", "jupyterhub", "provider")
        self.compose("up", "--detach", "--no-deps", "--wait", "--wait-timeout", "120", *services)


def new_hub(secrets: Path) -> Hub:
    hub, store, provider = map(str, free_ports(3))
    (secrets / "spark").write_text("x" * 48)
    (secrets / "s3").write_text(
        "[default]\naws_access_key_id = fruits\naws_secret_access_key = of-the-test\n"
    )
    (secrets / "oauth").write_text(SECRET + "\n")
    files = ("compose.yaml", Path(__file__).with_name("oauth.yaml"))
    environ = os.environ | {
        "COMPOSE_PROJECT_NAME": PROJECT,
        "COMPOSE_FILE": ":".join(map(str, files)),
        "SECRETS": str(secrets),
        "TAG": os.environ.get("FRUITS_TEST_HUB_TAG", "test"),
        "HUB_PORT": hub,
        "S3_PORT": store,
        "PROVIDER_PORT": provider,
        "PROVIDER": str(Path(__file__).with_name("provider.py")),
    }
    return Hub(environ, f"http://127.0.0.1:{hub}", f"http://127.0.0.1:{provider}")


class Visitor:
    """A browser whose user logs in to the provider as `who`: as_=NAME, sub=…, groups=…"""

    def __init__(self, hub: Hub, **who: str) -> None:
        self._hub = hub
        self._who = urlencode({name.rstrip("_"): value for name, value in who.items()})
        self.cookies = CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPCookieProcessor(self.cookies), self._login_page()
        )

    def _login_page(self) -> urllib.request.HTTPRedirectHandler:
        provider, who = self._hub.provider, self._who

        class Redirect(urllib.request.HTTPRedirectHandler):
            def redirect_request(
                self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
            ) -> Any:
                if newurl.startswith(provider):
                    newurl += f"&{who}"
                return super().redirect_request(req, fp, code, msg, headers, newurl)

        return Redirect()

    def open(self, path: str) -> tuple[int, str, str]:
        """The status, the address in the end, and the page."""
        try:
            with self._opener.open(f"{self._hub.url}{path}", timeout=60) as page:
                return page.status, page.url.removeprefix(self._hub.url), page.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.url.removeprefix(self._hub.url), error.read().decode()

    def post(self, path: str) -> int:
        """The status of a request by the Hub's own pages."""
        (xsrf,) = (c.value for c in self.cookies if (c.name, c.path) == ("_xsrf", "/hub/"))
        headers = {"X-XSRFToken": str(xsrf), "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self._hub.url}{path}", b"{}", headers)
        try:
            with self._opener.open(request, timeout=60) as page:
                return int(page.status)
        except urllib.error.HTTPError as error:
            return error.code

    def log_in(self) -> tuple[int, str]:
        """The status and the page."""
        status, _, page = self.open("/hub/oauth_login?next=/hub/home")
        return status, page
