"""Reads files ahead of their consumer, in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from fruits.errors import PhotoError

T = TypeVar("T")


_READ_AHEAD_BYTES = 64 * 2**20
"""Reading ahead pauses while this much data is waiting for the consumer."""
_UNKNOWN_BYTES = _READ_AHEAD_BYTES // 4
"""The assumed size of an item until the first one of unknown size has been read."""


def read_ahead(
    read: Callable[[T], bytes],
    items: Iterable[T],
    size: Callable[[T], int | None],
    in_flight: int,
) -> Generator[tuple[T, bytes | PhotoError], None, None]:
    """Yields each item with its bytes, in order, while reading up to `in_flight` later ones.

    If an item can't be read, it comes with a PhotoError instead; other errors are raised. `size`
    returns the size of an item in bytes, to limit the amount of data in memory. If it is None, the
    mean size of those already read is assumed.
    """
    waiting: deque[tuple[T, Future[bytes], int | None]] = deque()
    read_items, read_bytes = 0, 0

    def bytes_waiting() -> int:
        mean = read_bytes // read_items if read_items else _UNKNOWN_BYTES
        return sum(
            known if known is not None else _length(future, mean) for _, future, known in waiting
        )

    source = iter(items)
    with ThreadPoolExecutor(in_flight, "read-ahead") as pool:
        try:
            while True:
                while len(waiting) < 2 * in_flight and bytes_waiting() < _READ_AHEAD_BYTES:
                    if (item := next(source, None)) is None:
                        break
                    waiting.append((item, pool.submit(read, item), size(item)))
                if not waiting:
                    return
                item, future, _ = waiting.popleft()
                try:
                    data = future.result()
                    read_items, read_bytes = read_items + 1, read_bytes + len(data)
                    yield item, data
                except PhotoError as error:
                    yield item, error
        finally:
            for _, future, _ in waiting:
                future.cancel()


def _length(future: "Future[bytes]", assumed: int) -> int:
    """The number of bytes that were read, or are assumed to be."""
    return len(future.result()) if future.done() and not future.exception() else assumed
