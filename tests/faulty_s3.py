"""A proxy in front of an S3 server, which stops working at a chosen request."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

ANSWERS = {"slow down": (503, "SlowDown"), "expired": (403, "ExpiredToken")} | {
    "denied": (403, "AccessDenied"),
    "no bucket": (404, "NoSuchBucket"),
}
"""Faults by name, each with the status and error code of the response. The others are "gone" (the
connection is closed) and "hang" (there is no response)."""
Matches = Callable[[str, str], bool]


class FaultyS3(ThreadingHTTPServer):
    """Forwards requests, until the one after `let_through` requests that match."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, server: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.server_netloc = urlsplit(server).netloc
        self.began = threading.Event()  # the fault has begun
        self.repaired = threading.Event()  # hanging requests end
        self.plan("gone", lambda method, path: False)

    def plan(self, fault: str, matches: Matches, let_through: int = 0) -> None:
        """From the request after `let_through` requests that match on, all have the fault."""
        self.began.clear()
        self.fault, self.matches, self.left = fault, matches, let_through

    def fault_of(self, method: str, path: str) -> str | None:
        if self.matches(method, path):
            self.left -= 1
            if self.left < 0:
                self.began.set()
        return self.fault if self.began.is_set() else None

    def handle_error(self, *_: object) -> None:
        pass  # clients that were killed


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyS3

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        body = self._body()
        match self.server.fault_of(self.command, self.path):
            case None:
                self._forward(body)
            case "gone":
                self.close_connection = True
            case "hang":
                self.server.repaired.wait()
                self.close_connection = True
            case fault:
                status, code = ANSWERS[fault]
                self._answer(
                    status, {"Content-Type": "application/xml"},
                    f"<Error><Code>{code}</Code><Message>{fault}</Message></Error>".encode(),
                )  # fmt: skip

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _forward(self, body: bytes) -> None:
        connection = http.client.HTTPConnection(self.server.server_netloc, timeout=60)
        headers = {
            k: v for k, v in self.headers.items() if k not in ("Transfer-Encoding", "Expect")
        }
        connection.request(self.command, self.path, body, {**headers, "Connection": "close"})
        response = connection.getresponse()
        data = response.read()
        self._answer(response.status, dict(response.getheaders()), data)

    def _answer(self, status: int, headers: dict[str, str], data: bytes) -> None:
        self.send_response_only(status)
        headers = {k.title(): v for k, v in headers.items()}
        length = headers.pop("Content-Length", str(len(data)))
        for name in ("Connection", "Transfer-Encoding"):
            headers.pop(name, None)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", length if self.command == "HEAD" else str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


@contextmanager
def faulty_s3(server: str) -> Iterator[FaultyS3]:
    proxy = FaultyS3(server)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.repaired.set()
        proxy.shutdown()
        proxy.server_close()
