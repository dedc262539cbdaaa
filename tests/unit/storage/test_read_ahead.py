"""Reading ahead keeps the order, and its threads end."""

import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from fruits.errors import PhotoError, StorageError
from fruits.storage.read_ahead import read_ahead


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("read-ahead")]


def test_items_are_returned_in_order() -> None:
    def read(item: int) -> bytes:
        time.sleep(0.01 if item % 3 == 0 else 0)
        return b"%d" % item

    read_items = list(read_ahead(read, range(40), lambda _: 1, in_flight=8))
    assert read_items == [(item, b"%d" % item) for item in range(40)]


def test_empty_source_gives_no_items() -> None:
    assert list(read_ahead(lambda _: b"", [], lambda _: 1, in_flight=8)) == []


def test_number_of_concurrent_reads_is_limited() -> None:
    at_once = 4
    together = threading.Barrier(at_once)  # breaks unless that many threads wait
    reading, most, lock = 0, 0, threading.Lock()

    def read(_: int) -> bytes:
        nonlocal reading, most
        with lock:
            reading += 1
            most = max(most, reading)
        together.wait(timeout=20)
        with lock:
            reading -= 1
        return b""

    assert len(list(read_ahead(read, range(3 * at_once), lambda _: 1, at_once))) == 3 * at_once
    assert most == at_once


def items_taken(size_bytes: int, used: int = 1) -> int:
    """The number of items taken from the source once the consumer has used `used` of them."""
    count = 0

    def source() -> Iterator[int]:
        nonlocal count
        while True:
            count += 1
            yield count

    items = read_ahead(lambda _: b"", source(), lambda _: size_bytes, in_flight=8)
    for _ in range(used):
        next(items)
    items.close()
    return count


@pytest.mark.parametrize("used", [1, 5])
def test_read_ahead_is_bounded_in_number(used: int) -> None:
    assert used + 8 <= items_taken(1, used) < used + 2 * 8


@pytest.mark.parametrize("used", [1, 5])
@pytest.mark.parametrize(("size_bytes", "ahead"), [(40 * 2**20, 1), (500 * 2**20, 0)])
def test_read_ahead_is_bounded_in_bytes(size_bytes: int, ahead: int, used: int) -> None:
    assert items_taken(size_bytes, used) == used + ahead


def test_items_of_unknown_size_are_bounded_by_what_was_read() -> None:
    alive, most, lock = 0, 0, threading.Lock()

    def read(_: int) -> bytes:
        nonlocal alive, most
        with lock:
            alive += 1
            most = max(most, alive)
        return bytes(30 * 2**20)

    for _ in read_ahead(read, range(20), lambda _: None, in_flight=16):
        time.sleep(0.01)
        with lock:
            alive -= 1
    assert most <= 5  # with the one that is used; 64 MB, and four that are read at the start


def test_small_items_of_unknown_size_are_read_ahead_in_full_number() -> None:
    source = itertools.count()
    items = read_ahead(lambda _: b"small", source, lambda _: None, in_flight=8)
    for _ in range(20):
        next(items)
    assert next(source) == 20 + 2 * 8 - 1
    items.close()


def test_photo_error_is_returned_and_reading_continues() -> None:
    def read(item: int) -> bytes:
        if item == 1:
            raise PhotoError("the file can't be read")
        return b"good"

    results = [result for _, result in read_ahead(read, range(3), lambda _: 1, in_flight=2)]
    assert [str(result) for result in results] == ["b'good'", "the file can't be read", "b'good'"]
    assert isinstance(results[1], PhotoError)


@pytest.mark.parametrize("error", [StorageError("the bucket is gone"), ZeroDivisionError()])
def test_other_errors_are_raised_and_end_the_threads(error: Exception) -> None:
    def read(item: int) -> bytes:
        if item == 5:
            raise error
        return b""

    good = []
    with pytest.raises(type(error)):
        for item, _ in read_ahead(read, range(50), lambda _: 1, in_flight=4):
            good.append(item)
    assert good == [0, 1, 2, 3, 4]
    assert threads() == []


def test_closing_early_ends_the_threads() -> None:
    begun: list[int] = []
    closed = threading.Event()

    def read(item: int) -> bytes:
        begun.append(item)
        if item > 0:
            closed.wait(20)
        return b""

    items = read_ahead(read, itertools.count(), lambda _: 1, in_flight=4)
    next(items)
    assert threads()
    threading.Timer(0.5, closed.set).start()  # close() waits for reads in progress
    items.close()
    assert threads() == []
    assert max(begun) <= 4
