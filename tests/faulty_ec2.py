"""A proxy in front of moto that answers as AWS does where moto always succeeds, or lacks a call."""

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl, urlsplit

from ports import http_server

Request = dict[str, str]
Refusal = tuple[int, str, str]
ERROR = """<?xml version="1.0" encoding="UTF-8"?>
<Response><Errors><Error><Code>{}</Code><Message>{}</Message></Error></Errors>
<RequestID>00000000-0000-0000-0000-000000000000</RequestID></Response>"""


class Faults:
    """What the proxy does; `requests` are those to EC2, in order. Override what a test needs."""

    def __init__(self) -> None:
        self.requests: list[Request] = []

    def before(self, request: Request) -> Refusal | None:
        """HTTP status, error code and message, if the request is not to reach moto."""
        return None

    def after(self, request: Request, answer: str) -> str:
        """The answer to send instead of moto's."""
        return answer

    def reached(self) -> list[str]:
        """IDs of the hosts that Session Manager reaches; moto does not know this call."""
        return []

    def sent(self, action: str) -> list[Request]:
        return [request for request in self.requests if request["Action"] == action]


@contextmanager
def faulty_ec2(url: str, faults: Faults) -> Iterator[str]:
    """Run the proxy in front of moto at `url`; yields its own URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("X-Amz-Target") == "AmazonSSM.DescribeInstanceInformation":
                hosts = [{"InstanceId": i, "PingStatus": "Online"} for i in faults.reached()]
                kind = {"Content-Type": "application/x-amz-json-1.1"}
                self.send(200, kind, json.dumps({"InstanceInformationList": hosts}).encode())
                return
            form = "x-www-form-urlencoded" in self.headers.get("Content-Type", "")
            request = dict(parse_qsl(body.decode())) if form else {}
            to_ec2 = "/ec2/" in self.headers.get("Authorization", "") and "Action" in request
            if to_ec2:
                faults.requests.append(request)
                refusal = faults.before(request)
                if refusal:
                    self.send(refusal[0], {}, ERROR.format(*refusal[1:]).encode())
                    return
            status, headers, answer = self.forward(body)
            if to_ec2 and status == 200:
                answer = faults.after(request, answer.decode()).encode()
            self.send(status, headers, answer)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815

        def forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
            with closing(connection):
                connection.request(self.command, self.path, body, dict(self.headers))
                response = connection.getresponse()
                return response.status, dict(response.headers), response.read()

        def send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            dropped = {"content-length", "connection", "server", "date", "transfer-encoding"}
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in dropped:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: moto has a log."""

    with http_server(Handler) as own_url:
        yield own_url
