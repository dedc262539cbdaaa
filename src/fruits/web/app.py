"""The web page that predicts which fruit a photo shows: a JupyterHub service, behind its login.

JupyterHub starts it, with the necessary environment variables, as

    python -m fruits.web.app

It uses Tornado and the Hub's authenticator, which JupyterHub itself is built on. A single server
handles all users: with the model already loaded, a prediction takes a tenth of a second, also from
a phone, while one kernel per visitor (Voilà) would take seconds and half a gigabyte. Photos are
kept in memory only while their request is processed, and are never stored or logged.
"""

import asyncio
import json
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler, authenticated

from fruits.errors import ClassifyError, FruitsError, PhotoError, PhotoTooLarge
from fruits.results import open_results
from fruits.settings import Settings
from fruits.settings import load as load_settings
from fruits.templates import environment
from fruits.web.predictors import Predictors
from fruits.web.texts import TEXTS
from fruits.web.uploads import MAX_BYTES, OTHER_BYTES, TIMEOUT_S, Room, Upload

MAX_MEGAPIXELS = 60  # phones take photos of up to 50
_SAMPLES = Path("/opt/fruits/photos")  # in the Hub's image
_SHOWN_SAMPLES = 4
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; script-src 'self'; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Sources = Callable[[str], dict[str, str]]
"""Maps a user name to the results folders whose classifiers that user can use:
{"mine": address, …}."""


class _Recognition:
    """State shared by the handlers. Engines are not thread-safe, so there is one worker thread."""

    def __init__(self, sources: Sources, settings: Settings):
        self.sources = sources
        self.predictors = Predictors(settings)
        self._pool = ThreadPoolExecutor(1, "recognise")

    async def call(self, work: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *args)


class _Handler(RequestHandler):
    def set_default_headers(self) -> None:
        for name, value in _HEADERS.items():
            self.set_header(name, value)

    @property
    def recognition(self) -> _Recognition:
        recognition: _Recognition = self.settings["recognition"]
        return recognition

    @property
    def sources(self) -> dict[str, str]:
        """The sources of the current user."""
        user = self.current_user
        return self.recognition.sources(user["name"])


class _Page(_Handler):
    @authenticated
    async def get(self) -> None:
        trained, unreadable = await self.recognition.call(_trained, self.sources)
        language = preferred_language(self.request.headers.get("Accept-Language", ""))
        page = _template().render(
            text=TEXTS[language],
            language=language,
            languages=TEXTS,
            sources=trained,
            empty="trouble" if unreadable else "none",
            samples=range(len(self.settings["samples"])),
            max_bytes=MAX_BYTES,
            xsrf=self.xsrf_token.decode() if self.settings.get("xsrf_cookies") else "",
        )
        self.finish(page)


class _Predict(_Handler, Upload):
    def refusal(self) -> tuple[int, str] | None:
        if not self.current_user:
            return 403, "login"
        return None if self.path_args[0] in self.sources else (404, "missing")

    async def post(self, source: str) -> None:
        if self.refused:
            return self._answer(*self.refused)
        recognition, results = self.recognition, self.sources[source]
        try:
            predict = recognition.predictors.predict
            self.finish(await recognition.call(predict, results, self.take_body()))
        except PhotoTooLarge:
            self._answer(422, "large")
        except PhotoError:
            self._answer(422, "broken")
        except ClassifyError:
            self._answer(404, "missing")
        except FruitsError as error:
            logging.getLogger("fruits").warning("%s", error)
            self._answer(503, "trouble")

    def _answer(self, status: int, why: str) -> None:
        self.set_status(status)
        self.finish(json.dumps({"error": why}))


class _Sample(RequestHandler):
    """A sample photo to try the page with.

    It needs no login, as the script: the Hub's cookie is only accepted for pages that people open,
    and for requests with an XSRF token, which an image has not.
    """

    def get(self, number: str) -> None:
        samples: list[Path] = self.settings["samples"]
        if int(number) >= len(samples):
            return self.send_error(404)
        self.set_header("Content-Type", "image/jpeg")
        self.finish(samples[int(number)].read_bytes())


class _Script(RequestHandler):
    def get(self) -> None:
        self.set_header("Content-Type", "text/javascript; charset=utf-8")
        self.finish((files("fruits.web") / "page.js").read_bytes())


def application(
    user_handler: type[RequestHandler],
    prefix: str,
    sources: Sources,
    settings: Settings,
    samples: Sequence[Path] = (),
    **more: Any,
) -> Application:
    """The page at `prefix`, for users authenticated by `user_handler`.

    It predicts with the first source that has a classifier, unless the user chooses another one,
    and offers `samples`, JPEG files, to those who have no photo at hand.
    """

    def for_users(handler: type[_Handler]) -> type[RequestHandler]:
        return type(handler.__name__, (handler, user_handler), {})

    return Application(
        [
            (prefix, for_users(_Page)),
            (f"{prefix}predict/([a-z]+)", for_users(_Predict), {"room": Room()}),
            (f"{prefix}sample/([0-9]{{1,3}})", _Sample),
            (f"{prefix}page.js", _Script),
        ],
        log_function=lambda _: None,
        recognition=_Recognition(sources, settings),
        samples=samples,
        **more,
    )


def _trained(sources: dict[str, str]) -> tuple[list[str], list[str]]:
    """The sources that have a classifier, and those that can't be read."""
    trained, unreadable = [], []
    for name, address in sources.items():
        try:
            manifest = open_results(address).manifest
        except FruitsError as error:
            logging.getLogger("fruits").warning("%s", error)
            unreadable.append(name)
            continue
        if manifest and "classifier" in manifest.models:
            trained.append(name)
    return trained, unreadable


def varied(photos: Path) -> list[Path]:
    """Up to four JPEGs from different folders in `photos`; none if there is no such folder."""
    firsts = {photo.parent: photo for photo in sorted(photos.rglob("*.jpg"), reverse=True)}
    kinds = sorted(firsts.values())
    count = min(_SHOWN_SAMPLES, len(kinds))
    return [kinds[i * len(kinds) // count] for i in range(count)]


def preferred_language(accepted: str) -> str:
    """The language of TEXTS that an Accept-Language header prefers, or else English."""
    best, weight = "en", 0.0
    for part in accepted.split(","):
        tag, _, quality = part.strip().partition(";q=")
        language = tag.partition("-")[0].lower()
        try:
            liked = float(quality or 1)
        except ValueError:
            continue
        if language in TEXTS and liked > weight:
            best, weight = language, liked
    return best


@cache
def _template() -> Any:
    return environment().get_template("web/page.html.j2")


def serve(app: Application, port: int) -> HTTPServer:
    """Starts a server that only listens on the loopback interface."""
    server = HTTPServer(app, max_body_size=OTHER_BYTES, body_timeout=TIMEOUT_S)
    server.listen(port, "127.0.0.1")
    return server


async def main() -> None:
    """Runs the service, configured by the environment variables that JupyterHub sets."""
    from urllib.parse import urlsplit

    from jupyterhub.services.auth import HubOAuthCallbackHandler, HubOAuthenticated

    class UserHandler(HubOAuthenticated, RequestHandler):  # type: ignore[misc]
        pass

    bucket = os.environ["BUCKET"]

    def sources(user: str) -> dict[str, str]:
        return {
            "mine": f"s3://{bucket}/users/{user}/results",
            "team": f"s3://{bucket}/results",
            "samples": f"s3://{bucket}/samples/results",
        }

    prefix = os.environ["JUPYTERHUB_SERVICE_PREFIX"]
    settings = load_settings({"max_megapixels": MAX_MEGAPIXELS})
    secret = os.urandom(32)
    app = application(
        UserHandler,
        prefix,
        sources,
        settings,
        varied(_SAMPLES),
        cookie_secret=secret,
        xsrf_cookies=True,
    )
    app.add_handlers(".*", [(f"{prefix}oauth_callback", HubOAuthCallbackHandler)])
    serve(app, urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"]).port or 80)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
