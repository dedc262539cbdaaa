"""A small OAuth 2.0 provider, with addresses of OpenID and GitHub Enterprise: provider.py PORT

It runs in a container, on Python alone. Who logs in is what the browser adds to the address of
/authorize, in place of a login page: as=NAME, and if needed sub=NUMBER and groups=a,b. It verifies
the client, its secret, the address to return to, and PKCE (RFC 7636).
"""

import base64
import hashlib
import json
import secrets
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

CLIENT, SECRET = "fruits", "a-client-secret-of-the-test"

_codes: dict[str, dict[str, str]] = {}
_tokens: dict[str, dict[str, str]] = {}


class Provider(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path.endswith("/authorize"):
            self._authorize(_fields(address.query))
            return
        who = _tokens.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
        if not who:
            self._answer(401, {"message": "Bad credentials"})
        elif address.path == "/userinfo":
            groups = [group for group in who.get("groups", "").split(",") if group]
            said: dict[str, object] = {
                "sub": who["sub"],
                "preferred_username": who["as"],
                "groups": groups,
            }
            self._answer(200, said | {"email": f"{who['as']}@example.org"})
        elif address.path == "/api/v3/user":
            self._answer(200, {"id": int(who["sub"]), "login": who["as"], "email": None})
        elif address.path.startswith("/api/v3/orgs/"):
            _, _, _, _, group, _, login = address.path.split("/")
            is_member = group in who.get("groups", "").split(",") and login == who["as"].lower()
            self._answer(204 if is_member else 404, {})
        else:
            self._answer(404, {})

    def do_POST(self) -> None:
        form = _fields(self.rfile.read(int(self.headers["Content-Length"])).decode())
        asked = _codes.pop(form.get("code", ""), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(verifier).decode().rstrip("=")
        good = (
            asked
            and (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)
            and form.get("redirect_uri") == asked["redirect_uri"]
            and challenge == asked["code_challenge"]
        )
        if not good or not asked:
            self._answer(400, {"error": "invalid_grant"})
            return
        token = secrets.token_hex(16)
        _tokens[token] = asked
        scope = asked.get("scope", "")
        self._answer(200, {"access_token": token, "token_type": "bearer", "scope": scope})

    def _authorize(self, asked: dict[str, str]) -> None:
        if asked.get("client_id") != CLIENT or asked.get("response_type") != "code":
            self._answer(400, {"error": "invalid_request"})
            return
        asked.setdefault("sub", str(int(hashlib.sha256(asked["as"].encode()).hexdigest()[:8], 16)))
        code = secrets.token_hex(16)
        _codes[code] = asked
        back = urlencode({"code": code, "state": asked["state"]})
        self.send_response(302)
        self.send_header("Location", f"{asked['redirect_uri']}?{back}")
        self.end_headers()

    def _answer(self, status: int, said: Mapping[str, object]) -> None:
        body = json.dumps(said).encode() if status != 204 else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _fields(query: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}


if __name__ == "__main__":
    ThreadingHTTPServer(("", int(sys.argv[1])), Provider).serve_forever()
