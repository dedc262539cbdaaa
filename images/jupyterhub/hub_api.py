"""Asks the running Hub, for the operator: which kernels are busy, and to forget a user.

    hub_api.py busy           prints NAME COUNT, a line for each user with busy kernels
    hub_api.py forget NAME    stops the user's server and deletes the user

Runs as root in the Hub's container: only root can read the token.
"""

import json
import os
import secrets
import sys
import time
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

TOKEN = Path("/run/fruits/hub-token")
SERVICE = {"name": "operator"}
ROLE = {
    "name": "operator",
    "services": ["operator"],
    "scopes": ["list:users", "read:servers", "delete:servers", "delete:users", "access:servers"],
}
_HUB = "http://127.0.0.1:8081/hub/api"
_PROXY = "http://127.0.0.1:8000"
_STOPPING_S = 30


def new_token() -> str:
    """Creates the token of this start of the Hub."""
    token = secrets.token_hex(32)
    TOKEN.unlink(missing_ok=True)
    descriptor = os.open(TOKEN, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token)
    return token


def busy() -> dict[str, int]:
    """The number of busy kernels of each user who has any.

    Raises:
        OSError: the Hub does not respond.
    """
    counts = {}
    for user in _ask("GET", f"{_HUB}/users?state=active"):
        name = user["name"]
        try:
            kernels = _ask("GET", f"{_PROXY}/user/{quote(name)}/api/kernels")
        except (OSError, ValueError, HTTPException):
            continue  # the server is just starting or stopping
        if count := sum(kernel["execution_state"] == "busy" for kernel in kernels):
            counts[name] = count
    return counts


def forget(name: str) -> None:
    """Stops the server of a user and deletes the user from the Hub's database, if there is one.

    Raises:
        OSError: the Hub does not respond, or the server does not stop.
    """
    user = f"{_HUB}/users/{quote(name)}"
    end = time.monotonic() + _STOPPING_S
    while True:
        try:
            _ask("DELETE", f"{user}/server")
            _ask("DELETE", user)
        except HTTPError as error:
            if error.code == 404:
                return
            if error.code not in (400, 429) or time.monotonic() > end:
                raise
        time.sleep(0.5)  # a server that is stopping can't be deleted; ask until the user is gone


def _ask(method: str, url: str) -> Any:
    request = Request(url, method=method, headers={"Authorization": f"token {TOKEN.read_text()}"})
    with urlopen(request, timeout=20) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def main(verb: str, *words: str) -> None:
    if verb == "busy":
        for name, count in sorted(busy().items()):
            print(name, count)
    elif verb == "forget":
        forget(*words)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
