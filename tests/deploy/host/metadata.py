"""The part of EC2's instance metadata service (version 2) that provides role credentials, and
the notice that a Spot host is taken away, while the file NOTICE exists.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
Requests without a token, obtained with a PUT, get a 401, as on instances that require IMDSv2.
"""

import datetime
import json
import secrets
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROLE = "fruits-host"
CREDENTIALS = Path("/root/role.json")  # AccessKeyId and SecretAccessKey of the test's object store
NOTICE = Path("/root/notice.json")
TOKEN = secrets.token_hex(16)


class Metadata(BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        self._answer(200 if self.path == "/latest/api/token" else 404, TOKEN)

    def do_GET(self) -> None:
        if self.headers.get("X-aws-ec2-metadata-token") != TOKEN:
            return self._answer(401, "")
        folder = "/latest/meta-data/iam/security-credentials/"
        if self.path == folder:
            return self._answer(200, ROLE)
        if self.path == folder + ROLE:
            return self._answer(200, json.dumps(_credentials()))
        if self.path == "/latest/meta-data/spot/instance-action" and NOTICE.exists():
            return self._answer(200, NOTICE.read_text())
        return self._answer(404, "")

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


def _credentials() -> dict[str, object]:
    now = datetime.datetime.now(datetime.UTC).replace(microsecond=0, tzinfo=None)
    return {
        "Code": "Success",
        "Type": "AWS-HMAC",
        "LastUpdated": f"{now.isoformat()}Z",
        "Expiration": f"{(now + datetime.timedelta(hours=6)).isoformat()}Z",
        "Token": None,  # the object store doesn't support session tokens
        **json.loads(CREDENTIALS.read_text()),
    }


ThreadingHTTPServer(("169.254.169.254", 80), Metadata).serve_forever()
