"""Asks the running Hub to forget a user: stops the user's server and deletes the user.

    forget_user.py NAME

Runs as root in the Hub's container: only root can read the token.
"""

import os
import secrets
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

TOKEN = Path("/run/fruits/hub-token")
SERVICE = {"name": "operator"}
ROLE = {
    "name": "operator",
    "services": ["operator"],
    "scopes": ["delete:servers", "delete:users"],
}
_HUB = "http://127.0.0.1:8081/hub/api"
_STOPPING_S = 30


def new_token() -> str:
    """The token of this start of the container, which is created if there is none.

    Every command of JupyterHub in the container reads the configuration, and so calls this.
    """
    if TOKEN.exists():
        return TOKEN.read_text()
    token = secrets.token_hex(32)
    descriptor = os.open(TOKEN, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(token)
    return token


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


def _ask(method: str, url: str) -> None:
    request = Request(url, method=method, headers={"Authorization": f"token {TOKEN.read_text()}"})
    urlopen(request, timeout=20).close()


if __name__ == "__main__":
    forget(sys.argv[1])
