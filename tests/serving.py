"""Runs the page's server in this process, and sends requests to it."""

import asyncio
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from classified import SETTINGS
from ports import free_ports
from tornado.web import RequestHandler

from fruits.web.app import application, serve

PREFIX = "/services/recognise/"


class Ada(RequestHandler):
    def get_current_user(self) -> dict[str, str]:
        return {"name": "ada"}


class Nobody(RequestHandler):
    def get_current_user(self) -> None:
        return None


def serving(
    user: type[RequestHandler],
    places: dict[str, str],
    samples: Sequence[Path] = (),
    **more: Any,
) -> Iterator[str]:
    """Yield the URL of a page that serves `places` (results by name) to this kind of user."""
    (port,) = free_ports(1)
    loop, ready = asyncio.new_event_loop(), threading.Event()

    async def start() -> None:
        app = application(
            user, PREFIX, lambda _: places, SETTINGS, samples, login_url="/login", **more
        )
        serve(app, port)
        ready.set()

    def run() -> None:
        loop.run_until_complete(start())
        loop.run_forever()

    threading.Thread(target=run, daemon=True).start()
    assert ready.wait(30)
    yield f"http://127.0.0.1:{port}{PREFIX}"
    loop.call_soon_threadsafe(loop.stop)


def ask(url: str, data: bytes | None = None, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
