"""The time left is right to within a factor of two from 20 % on; the clock is simulated."""

import itertools
from collections.abc import Callable

import pytest

from fruits.progress.pace import Pace, State, duration

POLL_S = 0.25
At = Callable[[float], tuple[int, float]]
"""How many photos are done at a time, and how much of the work these are."""


def worker(starts_s: float, a_second: float) -> Callable[[float], float]:
    """The photos that a worker has done, which starts late."""
    return lambda time_s: max(0.0, time_s - starts_s) * a_second


def workers(*each: Callable[[float], float]) -> At:
    def at(time_s: float) -> tuple[int, float]:
        done = int(sum(photos(time_s) for photos in each))
        return done, float(done)

    return at


def executors_join(time_s: float) -> tuple[int, float]:
    """Spark asks for executors in rounds, twice as many in each."""
    return workers(*(worker(3 + round_s, 20) for round_s in (0, 2, 4, 4, 6, 6, 6, 6)))(time_s)


def large_last(time_s: float) -> tuple[int, float]:
    """Two thirds of the photos are small, and take a fifth of the time of the others."""
    work = worker(3, 100)(time_s)
    small = min(work, 2_000)
    return int(small + (work - small) / 5), work


def only_when_tasks_end(time_s: float) -> tuple[int, float]:
    """Two slots with tasks of seven seconds, the first ones of twelve; no datagram arrives."""
    ended = [0.0, 0.0]
    for slot, delay in enumerate((0.0, 1.5)):
        ended[slot] = 0 if time_s < 12 + delay else 1 + (time_s - 12 - delay) // 7
    return int(sum(ended) * 300), sum(ended) * 300


@pytest.mark.parametrize(
    ("at", "photos", "work"),
    [
        pytest.param(workers(worker(6, 100)), 1_142, 1_142, id="one slow start"),
        pytest.param(workers(worker(3, 50), worker(7, 50)), 1_142, 1_142, id="one after the other"),
        pytest.param(workers(worker(0.5, 100)), 800, 800, id="a few seconds"),
        pytest.param(workers(worker(20, 3)), 900, 900, id="slow photos"),
        pytest.param(executors_join, 20_000, 20_000, id="executors join"),
        pytest.param(large_last, 3_000, 7_000, id="large photos last"),
        pytest.param(only_when_tasks_end, 12_000, 12_000, id="only when tasks end"),
    ],
)
def test_time_left_is_right_within_a_factor_of_two(at: At, photos: int, work: float) -> None:
    end_s = next(t / 100 for t in itertools.count() if at(t / 100)[1] >= work)
    pace, asked = Pace(), 0
    for time_s in (i * POLL_S for i in range(int(end_s / POLL_S))):
        done, worked = at(time_s)
        pace.update(time_s, done, worked)
        # In the end, nobody minds a second or two, and what is between two counts is not known.
        if worked < work / 5 or end_s - time_s < (7 if at is only_when_tasks_end else 2):
            continue
        speed = pace.speed(time_s)
        assert speed, f"nothing is said at {time_s} s"
        left_s = (work - worked) / speed[1]
        assert 0.5 <= left_s / (end_s - time_s) <= 2, f"{left_s} s left at {time_s} of {end_s} s"
        asked += 1
    assert asked > 5


def test_nothing_is_said_before_anything_is_done_or_too_early() -> None:
    pace = Pace()
    pace.update(0.5, 0, 0)
    assert pace.speed(0.5) is None
    pace.update(0.6, 3, 3)
    assert pace.speed(0.6) is None


def test_speed_is_the_recent_one() -> None:
    pace = Pace()
    for time_s in range(1, 201):
        done = 10 * time_s if time_s <= 100 else 1_000 + 50 * (time_s - 100)
        pace.update(time_s, done, done)
    speed = pace.speed(200)
    assert speed
    assert 48 < speed[0] < 52


def test_long_runs_keep_few_samples_and_the_same_speed() -> None:
    pace = Pace()
    for i in range(1, 20_001):
        pace.update(i / 4, i, 7 * i)
    assert len(pace._samples) <= 1_024
    assert pace.speed(5_000) == pytest.approx((4, 28), rel=0.01)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0 s"),
        (12.4, "12 s"),
        (99.4, "99 s"),
        (99.6, "2 min"),
        (5_900, "98 min"),
        (7_800, "2 h 10 min"),
    ],
)
def test_durations_are_rounded(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_words_of_a_state() -> None:
    state = State("featurize", 5, 12, "photos", 3.0, 93.4, 12.2)
    assert state.parts() == ["5/12 photos", "93 photos/s", "12 s left"]
    assert State("pca", 3, 8, "files read", 3.0, 2.5).parts() == ["3/8 files read", "2.5 files/s"]
    assert State("list", 1234, None, "photos", 3.0).parts() == ["1234 photos"]
    assert State("csv", 0, None, "photos", 3.0).parts() == []
