"""Runs checks: each gives one row, whatever happens in it."""

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from fruits.errors import FruitsError
from fruits.session.environment import DOCTOR

Check = Callable[[], str]
"""Returns what it found. Raises Problem, or FruitsError, if something has to be done."""


class Problem(Exception):
    """What was found, and what to do; not `serious` if runs work nevertheless."""

    def __init__(self, found: str, advice: str = "", *, serious: bool = True) -> None:
        super().__init__(found)
        self.found, self.advice, self.serious = found, advice, serious


@dataclass(frozen=True)
class Row:
    """The result of a check."""

    name: str
    state: Literal["passed", "warning", "failed"]
    found: str
    advice: str = ""


@dataclass(frozen=True)
class Named:
    """A check, its name, and the time it may take."""

    name: str
    check: Check
    timeout_s: float = 20


def run(checks: Iterable[Named]) -> Iterator[Row]:
    """Yields one row per check, in order."""
    for check in checks:
        rows: list[Row] = []
        # A check that hangs, which may be in C, is left behind.
        thread = threading.Thread(target=lambda c=check, r=rows: r.append(_row(c)), daemon=True)
        thread.start()
        thread.join(check.timeout_s)
        yield (
            rows[0]
            if rows
            else Row(check.name, "failed", f"no answer within {check.timeout_s:.0f} s")
        )


def _row(named: Named) -> Row:
    try:
        return Row(named.name, "passed", named.check())
    except Problem as problem:
        state: Literal["warning", "failed"] = "failed" if problem.serious else "warning"
        return Row(named.name, state, problem.found, problem.advice)
    except FruitsError as error:
        found, _, advice = str(error).replace(f" ({DOCTOR})", "").rpartition(": ")
        if advice == DOCTOR or not found:
            return Row(named.name, "failed", found or advice)
        return Row(named.name, "failed", found, advice)
    except BaseException as error:  # also SystemExit of a package that can't be imported
        words = " ".join(str(error).split())
        return Row(named.name, "failed", f"{type(error).__name__}: {words}"[:300])
