"""Uploads in bounded memory: a body is kept only once its request is accepted, and there is room.

Tornado by itself reads the whole body into memory before any code of a handler, such as a check of
the login, runs.
"""

import logging
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass

from tornado.http1connection import HTTP1Connection
from tornado.web import HTTPError, RequestHandler, stream_request_body

MAX_BYTES = 30 * 2**20
TIMEOUT_S = 300  # for a body: 30 MB at 1 Mbit/s take four minutes
OTHER_BYTES = 2**16  # maximum size of the bodies of all other requests, which need none
_READ_BYTES = 2 * MAX_BYTES
"""Where the connection is closed: above MAX_BYTES, so that most who exceed it are told so."""


@dataclass
class Room:
    """Memory for the uploads in progress, shared by all; for use in one thread."""

    free: int = 8 * MAX_BYTES  # bytes


@stream_request_body
class Upload(RequestHandler, ABC):
    """A POST of at most MAX_BYTES; `post` answers those that were `refused`, too.

    Their bodies are read and dropped: if the connection were closed early, a browser that is still
    sending would not see the response.
    """

    SUPPORTED_METHODS = ("POST",)

    def initialize(self, room: Room) -> None:
        self.refused: tuple[int, str] | None = None
        """The HTTP status, and a name in TEXTS."""
        self._room = room
        self._reserved = 0  # bytes of the room
        self._body = bytearray()
        self._taken = False

    @abstractmethod
    def refusal(self) -> tuple[int, str] | None:
        """What is to be said against this request, given its headers only."""

    def take_body(self) -> bytes:
        """The body, which then is no longer kept here; its room is reserved until the response."""
        self._taken = True
        body = bytes(self._body)
        self._body.clear()
        return body

    def check_xsrf_cookie(self) -> None:
        # Where Tornado calls this, an exception would close the connection early. The Hub calls it
        # for its login, too; whatever comes of that, the request stays refused.
        try:
            super().check_xsrf_cookie()
        except HTTPError:
            self._refuse(403, "login")

    def prepare(self) -> None:
        connection = self.request.connection
        assert isinstance(connection, HTTP1Connection)
        connection.set_max_body_size(_READ_BYTES)
        if not self.refused and (refusal := self.refusal()):
            self._refuse(*refusal)
        declared = self.request.headers.get("Content-Length", "")
        size = int(declared) if re.fullmatch("[0-9]{1,12}", declared) else MAX_BYTES
        if size > MAX_BYTES:
            self._refuse(413, "large")
        elif size > self._room.free:
            if not self.refused:
                logging.getLogger("fruits").warning("too many uploads at a time: refused one")
            self._refuse(503, "trouble")
        elif not self.refused:
            self._room.free -= size
            self._reserved = size

    def data_received(self, chunk: bytes) -> None:
        if self.refused:
            return
        self._body += chunk
        if len(self._body) > self._reserved:  # its size was not declared
            self._refuse(413, "large")
            self._release()

    def on_finish(self) -> None:
        self._release()

    def on_connection_close(self) -> None:
        super().on_connection_close()
        # If somebody still works on the body, `on_finish` comes later.
        if not self._taken:
            self._release()

    def _refuse(self, status: int, why: str) -> None:
        self.refused = self.refused or (status, why)

    def _release(self) -> None:
        self._body = bytearray()
        self._room.free += self._reserved
        self._reserved = 0
