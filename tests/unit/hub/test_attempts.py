"""The limit for wrong passwords of the Hub, by its clock."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attempts as hub
import pytest
from attempts import Attempts


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(tmp_path: Path, clock: Clock) -> Iterator[Attempts]:
    opened = Attempts(tmp_path / "attempts", clock)
    yield opened
    opened.close()


def _until_locked(attempts: Attempts, clock: Clock, name: str = "ada") -> list[float]:
    """Guesses as soon as each delay is over; returns the delays."""
    delays = []
    while (left := attempts.wait_s(name)) is not None:
        if left:
            clock.now += left
            delays.append(left)
    return delays


def test_five_attempts_are_free_then_delays_double_up_to_five_minutes_and_a_lock(
    attempts: Attempts, clock: Clock
) -> None:
    delays = _until_locked(attempts, clock)
    assert delays[:9] == [2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert set(delays[9:]) == {300}
    assert len(delays) == hub.LOCKED - hub.FREE
    clock.now += 365 * 24 * 3600
    assert attempts.wait_s("ada") is None
    assert attempts.wait_s("bob") == 0


def test_an_attempt_during_a_delay_neither_counts_nor_prolongs_it(
    attempts: Attempts, clock: Clock
) -> None:
    for _ in range(5):
        assert attempts.wait_s("ada") == 0
    for _ in range(1000):
        assert attempts.wait_s("ada") == 2
    clock.now += 2
    assert attempts.wait_s("ada") == 0


def test_the_right_password_and_unlocking_forget_the_wrong_ones(
    attempts: Attempts, clock: Clock
) -> None:
    for _ in range(5):
        attempts.wait_s("ada")
    attempts.succeeded("ada")
    assert [attempts.wait_s("ada") for _ in range(6)] == [0, 0, 0, 0, 0, 2]
    _until_locked(attempts, clock)
    attempts.unlock("bob")
    assert attempts.wait_s("ada") is None
    attempts.unlock("ada")
    assert attempts.wait_s("ada") == 0


def test_a_known_browser_is_not_locked_out_by_others_but_has_a_limit_of_its_own(
    attempts: Attempts, clock: Clock
) -> None:
    _until_locked(attempts, clock)
    assert [attempts.wait_s("ada", "laptop") for _ in range(6)] == [0, 0, 0, 0, 0, 2]
    assert attempts.wait_s("ada", "phone") == 0
    attempts.succeeded("ada", "laptop")
    assert attempts.wait_s("ada", "laptop") == 0
    assert attempts.wait_s("ada") is None  # that the user is in gives others no new attempts


def test_parallel_attempts_are_no_more_than_free_ones(tmp_path: Path, clock: Clock) -> None:
    """Also by several processes or threads, each with its own connection."""
    Attempts(tmp_path / "attempts", clock).close()

    def guess(_: int) -> float | None:
        opened = Attempts(tmp_path / "attempts", clock)
        try:
            return opened.wait_s("ada")
        finally:
            opened.close()

    with ThreadPoolExecutor(16) as pool:
        waits = list(pool.map(guess, range(64)))
    assert waits.count(0) == hub.FREE


def test_a_restart_forgets_nothing_and_a_day_everything(tmp_path: Path, clock: Clock) -> None:
    before = Attempts(tmp_path / "attempts", clock)
    for _ in range(5):
        before.wait_s("ada")
    before.close()
    after = Attempts(tmp_path / "attempts", clock)
    assert after.wait_s("ada") == 2
    clock.now += 24 * 3600 + 1
    assert [after.wait_s("ada") for _ in range(6)] == [0, 0, 0, 0, 0, 2]
    after.close()


def test_a_clock_that_is_set_back_locks_nobody_out(attempts: Attempts, clock: Clock) -> None:
    for _ in range(5):
        attempts.wait_s("ada")
    clock.now -= 3600
    assert attempts.wait_s("ada") == 2
    clock.now += 3602
    assert attempts.wait_s("ada") == 0


def test_made_up_names_take_no_more_than_their_room_and_free_no_locked_name(
    attempts: Attempts, clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(hub, "_ROWS", 100)
    _until_locked(attempts, clock)
    for _ in range(6):
        attempts.wait_s("bob")
    for i in range(1000):
        assert attempts.wait_s(f"nobody-{i}") == 0
    assert attempts.wait_s("ada") is None
    assert attempts.wait_s("bob") == 2
    assert attempts._db.execute("SELECT count(*) FROM attempts").fetchone()[0] <= 101


def test_no_name_is_stored_in_clear(attempts: Attempts, tmp_path: Path) -> None:
    attempts.wait_s("hunter2-is-my-password")
    attempts.wait_s("\ud800 \0 " + "é" * 10_000)
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"attempts" in stored
    assert b"hunter2" not in stored
