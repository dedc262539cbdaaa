"""Reads files ahead of their consumer, in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from fruits.errors import PhotoError

T = TypeVar("T")


_READ_AHEAD_BYTES = 64 * 2**20
"""Reading ahead pauses while this much data is waiting for the consumer."""


def read_ahead(
    read: Callable[[T], bytes],
    items: Iterable[T],
    size: Callable[[T], int],
    in_flight: int,
) -> Generator[tuple[T, bytes | PhotoError], None, None]:
    """Yields each item with its bytes, in order, while reading up to `in_flight` later ones.

    If an item can't be read, it comes with a PhotoError instead; other errors are raised. `size`
    returns the size of an item in bytes, to limit the amount of data in memory.
    """
    waiting: deque[tuple[T, Future[bytes], int]] = deque()
    bytes_waiting = 0
    source = iter(items)
    with ThreadPoolExecutor(in_flight, "read-ahead") as pool:
        try:
            while True:
                while len(waiting) < 2 * in_flight and (
                    not waiting or bytes_waiting < _READ_AHEAD_BYTES
                ):
                    if (item := next(source, None)) is None:
                        break
                    waiting.append((item, pool.submit(read, item), size(item)))
                    bytes_waiting += size(item)
                if not waiting:
                    return
                item, future, n_bytes = waiting.popleft()
                bytes_waiting -= n_bytes
                try:
                    yield item, future.result()
                except PhotoError as error:
                    yield item, error
        finally:
            for _, future, _ in waiting:
                future.cancel()
