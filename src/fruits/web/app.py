"""The page that tells which fruit a photo shows: a service of JupyterHub, behind its login.

    python -m fruits.web.app        as the Hub starts it, with the environment that it gives

Tornado and the Hub's own authenticator are what JupyterHub is made of. One server for all users: a
photo is answered in a tenth of a second by a model that is there already, on a phone too, where a
kernel for each visitor (Voilà) would take seconds and half a gigabyte. Photos stay in this process'
memory until they are answered; nothing of them is stored or logged.
"""

import asyncio
import base64
import json
import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.web import Application, RequestHandler, authenticated

from fruits.classifier.predictor import Answer, Recogniser
from fruits.errors import ClassifyError, FruitsError, PhotoError
from fruits.photos.decode import thumbnail
from fruits.results import open_results
from fruits.settings import Settings
from fruits.settings import load as load_settings
from fruits.storage import open_folder
from fruits.templates import environment
from fruits.web.texts import TEXTS

MAX_BYTES = 30 * 2**20
MAX_MEGAPIXELS = 60  # phones make up to 50
_NEAREST = 4
_SHOWN = 640  # pixels of the photo's side, as the page shows it
_THUMBNAIL = 200
_LOADED = 3  # classifiers kept in memory, 0.1 to 0.3 GB each
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; script-src 'self'; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Recognisers:
    """The classifiers that were asked for last, each with all it needs; used by one thread."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._loaded: dict[str, Recogniser] = {}

    def get(self, results: str) -> Recogniser:
        """The recogniser of a results folder as it is now."""
        manifest = open_results(results).manifest
        if manifest is None or "classifier" not in manifest.models:
            raise ClassifyError(f"no classifier was trained in {results}")
        found = self._loaded.pop(results, None)
        if found is None or manifest != found.manifest:
            found = Recogniser(results, self._settings)
        self._loaded[results] = found
        while len(self._loaded) > _LOADED:
            self._loaded.pop(next(iter(self._loaded)))
        return found

    def answer(self, results: str, photo: bytes) -> dict[str, Any]:
        """What the page shows of a photo."""
        recogniser = self.get(results)
        answer = recogniser.answer(photo)
        shown = thumbnail(photo, _SHOWN, MAX_MEGAPIXELS * 1_000_000)
        return {
            "sure": answer.sure,
            "familiar": answer.familiar,
            "top": [{"label": label, "probability": p} for label, p in answer.top],
            "photo": _data_uri(shown),
            "nearest": _nearest(recogniser, answer),
        }


def _nearest(recogniser: Recogniser, answer: Answer) -> list[dict[str, str]]:
    """The photos trained on that are most alike, as far as they can still be read."""
    shown = []
    try:
        folder = open_folder(recogniser.manifest.photos)
        for path, label in recogniser.nearest(answer, _NEAREST):
            try:
                picture = thumbnail(folder.read(path), _THUMBNAIL, MAX_MEGAPIXELS * 1_000_000)
            except PhotoError:
                continue
            shown.append({"label": label, "photo": _data_uri(picture)})
    except FruitsError:
        pass  # they are out of reach from here; the answer is not
    return shown


def _data_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"


def application(
    user_handler: type[RequestHandler],
    prefix: str,
    places: Callable[[str], dict[str, str]],
    settings: Settings,
    **more: Any,
) -> Application:
    """The page at `prefix`, for the users whom `user_handler` knows.

    `places` says for a user's name which results there may be: {"mine": address, …}; the first that
    has a classifier is asked unless the page says otherwise.
    """
    pool = ThreadPoolExecutor(1, "recognise")  # an engine answers one photo at a time
    recognisers = Recognisers(settings)

    async def in_pool(work: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(pool, work, *args)

    class Base(user_handler):  # type: ignore[misc, valid-type]
        def set_default_headers(self) -> None:
            for name, value in _HEADERS.items():
                self.set_header(name, value)

        @property
        def places(self) -> dict[str, str]:
            user = self.current_user
            return places(user["name"])

    class Page(Base):
        @authenticated
        async def get(self) -> None:
            trained, unknown = await in_pool(_trained, self.places)
            language = preferred_language(self.request.headers.get("Accept-Language", ""))
            page = _template().render(
                text=TEXTS[language],
                language=language,
                languages=TEXTS,
                places=trained,
                empty="trouble" if unknown else "none",
                max_bytes=MAX_BYTES,
                xsrf=self.xsrf_token.decode() if more.get("xsrf_cookies") else "",
            )
            self.finish(page)

    class AnswerPhoto(Base):
        @authenticated
        async def post(self, place: str) -> None:
            if place not in self.places:
                self._refuse(404, "missing")
            elif len(self.request.body) > MAX_BYTES:
                self._refuse(413, "large")
            else:
                try:
                    self.finish(
                        await in_pool(recognisers.answer, self.places[place], self.request.body)
                    )
                except PhotoError as error:
                    self._refuse(422, "large" if "megapixels" in str(error) else "broken")
                except ClassifyError:
                    self._refuse(404, "missing")
                except FruitsError as error:
                    logging.getLogger("fruits").warning("%s", error)
                    self._refuse(503, "trouble")

        def _refuse(self, status: int, why: str) -> None:
            self.set_status(status)
            self.finish(json.dumps({"error": why}))

    class Script(RequestHandler):
        def get(self) -> None:
            self.set_header("Content-Type", "text/javascript; charset=utf-8")
            self.finish((files("fruits.web") / "page.js").read_bytes())

    return Application(
        [
            (prefix, Page),
            (f"{prefix}answer/([a-z]+)", AnswerPhoto),
            (f"{prefix}page.js", Script),
        ],
        log_function=lambda _: None,
        **more,
    )


def _trained(places: dict[str, str]) -> tuple[list[str], list[str]]:
    """Of these places, those whose results have a classifier, and those that can't be read."""
    found, unknown = [], []
    for name, address in places.items():
        try:
            manifest = open_results(address).manifest
        except FruitsError as error:
            logging.getLogger("fruits").warning("%s", error)
            unknown.append(name)
            continue
        if manifest and "classifier" in manifest.models:
            found.append(name)
    return found, unknown


def preferred_language(accepted: str) -> str:
    """The language of TEXTS that an Accept-Language header likes best; else English."""
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
    """Listens on this machine only."""
    # Somewhat more than is answered for, so that most who pass the limit are told so in words.
    server = HTTPServer(app, max_body_size=2 * MAX_BYTES, max_buffer_size=2 * MAX_BYTES)
    server.listen(port, "127.0.0.1")
    return server


async def main() -> None:
    """As the Hub starts it."""
    from urllib.parse import urlsplit

    from jupyterhub.services.auth import HubOAuthCallbackHandler, HubOAuthenticated

    class UserHandler(HubOAuthenticated, RequestHandler):  # type: ignore[misc]
        pass

    bucket = os.environ["BUCKET"]

    def places(user: str) -> dict[str, str]:
        return {
            "mine": f"s3://{bucket}/users/{user}/results",
            "team": f"s3://{bucket}/results",
            "samples": f"s3://{bucket}/samples/results",
        }

    prefix = os.environ["JUPYTERHUB_SERVICE_PREFIX"]
    settings = load_settings({"max_megapixels": MAX_MEGAPIXELS})
    secret = os.urandom(32)
    app = application(
        UserHandler, prefix, places, settings, cookie_secret=secret, xsrf_cookies=True
    )
    app.add_handlers(".*", [(f"{prefix}oauth_callback", HubOAuthCallbackHandler)])
    serve(app, urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"]).port or 80)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
