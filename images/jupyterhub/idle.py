"""What the Hub's home page says about a cluster that stops itself when nobody uses it."""

import math
import time
from pathlib import Path

FILE = Path("/run/fruits/stops-at")  # written by the host (ansible/roles/idle_stop)


def told(_user: object) -> str:
    """A sentence for the page that JupyterHub shows a user; empty if the cluster never stops."""
    try:
        seconds, at = map(int, FILE.read_text().split())
    except (OSError, ValueError):
        return ""
    rule = f"This cluster stops itself after {seconds // 60} minutes in which nothing has run."
    if not at:
        return rule
    minutes = max(0, math.ceil((at - time.time()) / 60))
    return f"{rule} If nothing runs, it will stop in {minutes} minutes."
