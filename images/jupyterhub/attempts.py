"""Counts wrong passwords per user name, and how long the next attempt must wait.

The first five attempts wait for nothing, then 2 s, 4 s, … up to five minutes; after a hundred the
name is locked until `hub-user unlock` or a new password. An attempt counts as wrong from its
beginning, so parallel attempts gain nothing. Attempts from a browser in which that user has logged
in before are counted apart: who guesses elsewhere can't keep the user out.

Addresses are not counted: all users of a tunnel or of this machine share one.

The counts are in a file, so that a restart of the Hub forgets none. Names are stored as digests,
because people type passwords into the wrong field.
"""

import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from hashlib import blake2b
from pathlib import Path

STATE = Path("/srv/jupyterhub/state/attempts.sqlite")
FREE = 5
LONGEST_S = 300
LOCKED = 100
_FORGOTTEN_S = 24 * 3600  # after the last attempt, unless the name is locked
_ROWS = 50_000


class Attempts:
    """The attempts in one file, which several processes may have open."""

    def __init__(self, file: Path = STATE, clock: Callable[[], float] = time.time) -> None:
        # Transactions are begun here, not by Python.
        self._db = sqlite3.connect(file, timeout=10, isolation_level=None)
        self._clock = clock
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS attempts (name BLOB, browser BLOB, wrong INTEGER, "
            "last REAL, PRIMARY KEY (name, browser)) WITHOUT ROWID"
        )

    def close(self) -> None:
        self._db.close()

    def wait_s(self, name: str, browser: str = "") -> float | None:
        """Seconds until the next attempt may be made; 0: now; None: the name is locked.

        With 0, the attempt is counted as wrong until `succeeded` is called.
        """
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            return self._wait_s((_digest(name), _digest(browser)), self._clock())

    def _wait_s(self, key: tuple[bytes, bytes], now: float) -> float | None:
        find = "SELECT wrong, last FROM attempts WHERE name = ? AND browser = ?"
        wrong, last = self._db.execute(find, key).fetchone() or (0, now)
        if wrong >= LOCKED:
            return None
        if abs(now - last) > _FORGOTTEN_S:
            wrong = 0
        # The clock may have been set back since.
        waited = max(0, now - last)
        if wrong and (left := _delay_s(wrong) - waited) > 0:
            return left
        self._db.execute(
            "INSERT OR REPLACE INTO attempts VALUES (?, ?, ?, ?)", (*key, wrong + 1, now)
        )
        self._bound(now)
        return 0

    def succeeded(self, name: str, browser: str = "") -> None:
        """Forgets the wrong attempts, from this browser or from unknown ones."""
        key = (_digest(name), _digest(browser))
        self._db.execute("DELETE FROM attempts WHERE name = ? AND browser = ?", key)

    def unlock(self, name: str) -> None:
        """Forgets all wrong attempts for a name."""
        self._db.execute("DELETE FROM attempts WHERE name = ?", (_digest(name),))

    def _bound(self, now: float) -> None:
        """Deletes forgotten rows, and those of the fewest attempts if made-up names are many."""
        (rows,) = self._db.execute("SELECT count(*) FROM attempts").fetchone()
        if rows > _ROWS:
            forgotten = "DELETE FROM attempts WHERE wrong < ? AND last < ?"
            self._db.execute(forgotten, (LOCKED, now - _FORGOTTEN_S))
            self._db.execute(
                "DELETE FROM attempts WHERE (name, browser) IN "
                "(SELECT name, browser FROM attempts ORDER BY wrong, last LIMIT ?)",
                (_ROWS // 10,),
            )


def _delay_s(wrong: int) -> float:
    """How long to wait after this many wrong attempts."""
    return 0 if wrong < FREE else min(2.0 ** min(wrong - FREE + 1, 30), LONGEST_S)


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


if __name__ == "__main__":  # attempts.py unlock NAME
    with closing(Attempts()) as attempts:
        attempts.unlock(sys.argv[2])
