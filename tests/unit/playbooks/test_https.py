"""The proxy for HTTPS: its real program, Debian's caddy, before a stand-in for the Hub."""

import base64
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from certificates import make_certificate
from deploy.playbooks import wait_for_port
from places import ROOT
from ports import free_ports
from roles import template

NAME = "fruits.example.org"
OWN = {"certificate": "a", "key": "b"}
ANSWERS = ROOT / "ansible" / "roles" / "https" / "files" / "answers.py"


@pytest.fixture(scope="module")
def caddy() -> str:
    """Debian's package, which is downloaded once, into build/, if it is not installed."""
    folder = ROOT / "build" / "caddy"
    if installed := shutil.which("caddy", path=f"{os.environ['PATH']}:{folder / 'usr' / 'bin'}"):
        return installed
    folder.mkdir(parents=True, exist_ok=True)
    script = "apt-get -q download caddy && dpkg -x caddy_*.deb . && rm caddy_*.deb"
    command = ["/bin/sh", "-c", script]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode:
        pytest.skip(f"no caddy: {done.stderr.strip()[-200:]}")
    return str(folder / "usr" / "bin" / "caddy")


class _Hub(BaseHTTPRequestHandler):
    """Tells what it was sent, or echoes five bytes over a web socket."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers.get("Upgrade") == "websocket":
            key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            accept = base64.b64encode(sha1(key.encode()).digest()).decode()  # noqa: S324 - RFC 6455
            self.send_header("Sec-WebSocket-Accept", accept)
            self.end_headers()
            self.wfile.write(self.rfile.read(5))
            self.close_connection = True
            return
        body = json.dumps(dict(self.headers)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        received = len(self.rfile.read(wanted := int(self.headers["Content-Length"])))
        if received < wanted:  # the proxy has broken it off
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(str(received))))
        self.end_headers()
        self.wfile.write(str(received).encode())


@dataclass(frozen=True)
class Served:
    port: int
    log: Path
    trust: ssl.SSLContext

    def connect(self, name: str = NAME) -> ssl.SSLSocket:
        plain = socket.create_connection(("127.0.0.1", self.port), 10)
        return self.trust.wrap_socket(plain, server_hostname=name)

    def get(self, path: str, **headers: str) -> http.client.HTTPResponse:
        return self._answer("GET", path, None, headers)

    def post(self, path: str, body: bytes) -> http.client.HTTPResponse:
        return self._answer("POST", path, body, {})

    def _answer(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        connection = http.client.HTTPSConnection(NAME, timeout=10)
        connection.sock = self.connect()
        connection.request(method, path, body, headers)
        return connection.getresponse()


@pytest.fixture(scope="module")
def served(caddy: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("caddy")
    make_certificate(folder, NAME)
    (port,) = free_ports(1)
    hub = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    text = template("https", "Caddyfile", hub_domain=NAME, hub_certificate=OWN)
    text = text.replace("/etc/caddy/", f"{folder}/").replace(":8000", f":{hub.server_port}")
    (folder / "Caddyfile").write_text(text.replace(f"https://{NAME}", f"https://{NAME}:{port}"))
    environ = os.environ | {"HOME": str(folder)}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [caddy, "run", "--config", folder / "Caddyfile"], env=environ, stdout=log, stderr=log
        )
        try:
            wait_for_port(port, process)
            trust = ssl.create_default_context(cafile=str(folder / "certificate.pem"))
            yield Served(port, folder / "log", trust)
        finally:
            process.terminate()
            process.wait(20)
            hub.shutdown()


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, "https://acme-v02.api.letsencrypt.org/directory"),
        ({"acme_server": "https://ca.example.org/acme"}, "https://ca.example.org/acme"),
    ],
    ids=["lets-encrypt", "another"],
)
def test_one_authority_gives_the_certificate_and_verifies_it_on_port_443(
    caddy: str, tmp_path: Path, settings: dict[str, str], wanted: str
) -> None:
    text = template("https", "Caddyfile", hub_domain=NAME, **settings)
    (tmp_path / "Caddyfile").write_text(text)
    adapted = subprocess.check_output(
        [caddy, "adapt", "--validate", "--config", tmp_path / "Caddyfile"],
        env=os.environ | {"HOME": str(tmp_path)},
        stderr=subprocess.DEVNULL,
        text=True,
    )
    config = json.loads(adapted.splitlines()[0])
    assert config["admin"] == {"disabled": True}
    (server,) = config["apps"]["http"]["servers"].values()
    assert server["listen"] == [":443"]
    assert server["protocols"] == ["h1", "h2"]  # HTTP/3 would need UDP
    assert server["automatic_https"] == {"disable_redirects": True}
    assert "logs" not in server
    (policy,) = config["apps"]["tls"]["automation"]["policies"]
    (issuer,) = policy["issuers"]
    assert issuer["ca"] == wanted
    assert issuer["challenges"] == {"http": {"disabled": True}}


def test_the_hub_is_told_the_truth_about_the_browser(served: Served) -> None:
    forged = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "http"}
    response = served.get("/hub/home", **forged)
    assert response.status == 200
    assert response.headers["Strict-Transport-Security"] == "max-age=31536000"
    sent = {name.lower(): value for name, value in json.load(response).items()}
    assert sent["host"] == NAME
    assert sent["x-forwarded-proto"] == "https"
    assert sent["x-forwarded-for"] == "127.0.0.1"


def test_web_sockets_of_notebooks_pass(served: Served) -> None:
    with served.connect() as browser:
        browser.sendall(
            f"GET /user/alice/api/kernels/1/channels HTTP/1.1\r\nHost: {NAME}\r\n"
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        received = b""
        while b"\r\n\r\n" not in received:
            received += browser.recv(4096)
        browser.sendall(b"hello")
        while part := browser.recv(4096):
            received += part
    assert b" 101 " in received.splitlines()[0]
    assert received.endswith(b"hello")


def test_the_hub_gets_forms_only_and_services_get_photos(served: Served) -> None:
    assert served.post("/hub/login", b"a" * 10_000).read() == b"10000"
    assert served.post("/services/recognise/predict", b"a" * 2 * 2**20).read() == b"2097152"
    assert served.post("/hub/login", b"a" * 2 * 2**20).status == 502


def test_no_other_name_is_served_and_no_address_is_logged(served: Served) -> None:
    before = served.log.read_text()
    with pytest.raises(ssl.SSLError):
        served.connect("other.example.org")
    served.get("/hub/login?code=secret").read()
    assert "serving initial configuration" in before
    log = served.log.read_text().removeprefix(before)
    assert "127.0.0.1" not in log
    assert "/hub/login" not in log


def test_deploy_waits_until_it_answers(served: Served) -> None:
    command = [sys.executable, str(ANSWERS), NAME]
    assert subprocess.run([*command, str(served.port)], check=False).returncode == 0
    (nothing,) = free_ports(1)
    done = subprocess.run([*command, str(nothing)], stderr=subprocess.DEVNULL, check=False)
    assert done.returncode != 0
