"""EC2's instance metadata service, version 2, as far as credentials of a role go.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
Without a token, which takes a PUT, it answers 401: it is for instances with IMDSv2 alone.
"""

import datetime
import json
import secrets
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROLE = "fruits-host"
CREDENTIALS = Path("/root/role.json")  # AccessKeyId and SecretAccessKey, of the store in the test
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
        "Token": None,  # the object store knows no session tokens
        **json.loads(CREDENTIALS.read_text()),
    }


ThreadingHTTPServer(("169.254.169.254", 80), Metadata).serve_forever()
