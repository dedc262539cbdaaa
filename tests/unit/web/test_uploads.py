"""Uploads to the page take bounded memory, whoever sends them, and all get an answer."""

import http.client
import json
import os
import socket
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from serving import Ada, Nobody, ask, serving

from fruits.web.uploads import MAX_BYTES, Room

_MB = 2**20
_AT_ONCE = Room().free // MAX_BYTES
_CHUNK = b"100000\r\n" + bytes(_MB) + b"\r\n"
_CHUNKED = "Transfer-Encoding: chunked"
_FULL = f"Content-Length: {MAX_BYTES}"


def _answer(status: int, why: str) -> tuple[int, str]:
    return status, json.dumps({"error": why})


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A page that Ada may use; nothing was trained."""
    yield from serving(Ada, {"mine": str(tmp_path / "nothing")})


def _post(url: str, header: str, *body: bytes) -> socket.socket:
    """A connection on which a POST has begun, and these parts of its body are sent."""
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname, parts.port or 80), timeout=30)
    connection.sendall(f"POST {parts.path} HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n".encode())
    with suppress(OSError):  # the server reads no more
        for part in body:
            connection.sendall(part)
    return connection


def _accepted(url: str, header: str) -> socket.socket:
    """A connection on which an upload is accepted, and its body awaited."""
    connection = _post(url, f"Expect: 100-continue\r\n{header}")
    assert connection.recv(100).startswith(b"HTTP/1.1 100")
    return connection


def _response(connection: socket.socket) -> tuple[int, str]:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, response.read().decode()


def _eventually(url: str, expected: tuple[int, str]) -> bool:
    """Whether a photo of the maximum size gets this answer within seconds."""
    end = time.monotonic() + 10
    while (answer := ask(url, bytes(MAX_BYTES))) != expected and time.monotonic() < end:
        time.sleep(0.1)
    return answer == expected


@pytest.mark.parametrize("path", ["predict/mine", "predict/other", "", "sample/0", "nowhere"])
@pytest.mark.parametrize(
    ("header", "part"), [(_FULL, bytes(_MB)), (_CHUNKED, _CHUNK)], ids=["length", "chunks"]
)
def test_without_a_login_nothing_of_a_body_is_kept(path: str, header: str, part: bytes) -> None:
    for site in serving(Nobody, {"mine": "/nowhere"}):
        ask(f"{site}{path}", b"")  # so that what is loaded once is loaded
        with ExitStack() as opened:
            tracemalloc.start()
            opened.callback(tracemalloc.stop)
            for _ in range(3):
                opened.enter_context(_post(f"{site}{path}", header, *[part] * 10))
            time.sleep(0.3)
            _, peak = tracemalloc.get_traced_memory()
            assert peak < 3 * _MB


def test_uploads_in_progress_are_bounded_and_make_room_again(site: str) -> None:
    url = f"{site}predict/mine"
    with ExitStack() as opened:
        for _ in range(_AT_ONCE):
            opened.enter_context(_accepted(url, _FULL))
        assert ask(url, bytes(MAX_BYTES)) == _answer(503, "trouble")
    assert _eventually(url, _answer(404, "missing"))
    for _ in range(2):
        with ExitStack() as opened:
            opened.enter_context(_accepted(url, _CHUNKED))  # may become as large as any
            for _ in range(_AT_ONCE - 1):
                opened.enter_context(_accepted(url, _FULL))
            assert ask(url, bytes(MAX_BYTES)) == _answer(503, "trouble")
        assert _eventually(url, _answer(404, "missing"))


def test_small_photos_have_room_beside_large_ones(site: str) -> None:
    url = f"{site}predict/mine"
    with ExitStack() as opened:
        for _ in range(_AT_ONCE - 1):
            opened.enter_context(_accepted(url, _FULL))
        for _ in range(5):
            opened.enter_context(_accepted(url, f"Content-Length: {4 * _MB}"))
        assert ask(url, b"photo") == _answer(404, "missing")


def test_every_way_to_end_makes_room_again(site: str) -> None:
    url = f"{site}predict/mine"
    for _ in range(_AT_ONCE + 1):
        assert ask(url, bytes(MAX_BYTES)) == _answer(404, "missing")
        assert ask(f"{site}predict/other", bytes(MAX_BYTES)) == _answer(404, "missing")
        assert ask(url, bytes(MAX_BYTES + 1)) == _answer(413, "large")
        _post(url, _FULL, b"photo").close()
        for length in ("-1", "+5", "x", "7, 8", "9" * 5000):
            with suppress(OSError), _post(url, f"Content-Length: {length}", b"photo") as sent:
                assert _response(sent)[0] == 400
        with suppress(OSError), _post(url, _CHUNKED, b"no chunk\r\n") as sent:
            assert _response(sent)[0] == 400
    assert _eventually(url, _answer(404, "missing"))


def test_a_photo_being_predicted_keeps_its_room_when_its_sender_leaves(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "manifest.json")  # the prediction waits until somebody writes
    for site in serving(Ada, {"mine": str(tmp_path), "none": str(tmp_path / "nothing")}):
        for _ in range(_AT_ONCE):
            _post(f"{site}predict/mine", _FULL, bytes(MAX_BYTES)).close()
        time.sleep(0.5)
        assert ask(f"{site}predict/none", bytes(MAX_BYTES)) == _answer(503, "trouble")
        for _ in range(_AT_ONCE):
            (tmp_path / "manifest.json").write_text("damaged")
            time.sleep(0.1)
        assert _eventually(f"{site}predict/none", _answer(404, "missing"))


def test_chunks_are_received_up_to_the_maximum(site: str) -> None:
    url = f"{site}predict/mine"
    full = MAX_BYTES // _MB
    with _post(url, _CHUNKED, *[_CHUNK] * full, b"0\r\n\r\n") as sent:
        assert _response(sent) == _answer(404, "missing")
    with _post(url, _CHUNKED, *[_CHUNK] * (full + 1), b"0\r\n\r\n") as sent:
        assert _response(sent) == _answer(413, "large")


def test_who_is_logged_out_is_told_so_after_sending_a_photo() -> None:
    for site in serving(Nobody, {"mine": "/nowhere"}):
        assert ask(f"{site}predict/mine", bytes(MAX_BYTES)) == _answer(403, "login")


def test_without_an_xsrf_token_nothing_is_predicted(tmp_path: Path) -> None:
    for site in serving(Ada, {"mine": str(tmp_path)}, xsrf_cookies=True):
        for size in (5, MAX_BYTES):
            assert ask(f"{site}predict/mine", bytes(size)) == _answer(403, "login")
        cookie = {"Cookie": "_xsrf=token", "X-XSRFToken": "token"}
        assert ask(f"{site}predict/mine", b"photo", **cookie) == _answer(404, "missing")


def test_predictions_are_only_posted(site: str) -> None:
    assert ask(f"{site}predict/mine")[0] == 405
