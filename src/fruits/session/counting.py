"""Counts what Spark tasks have done while they run, for the display of progress.

Spark itself tells the driver nothing of a Python task before it ends. So tasks send datagrams (UDP)
to the driver, which say how much they have done since they began: one that is lost or late does no
harm, and nobody waits for an answer. Each carries a keyed hash; the key travels with the task. The
driver only adds up numbers, and never answers. Where datagrams don't arrive, an accumulator still
counts the tasks that have ended.
"""

import hashlib
import hmac
import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from fruits.progress import Count

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.accumulators import Accumulator

Done = tuple[int, float]
"""How many photos (or files …) are done, and how much of the work these were."""

_EVERY_S = 0.5  # interval between the datagrams of a task
_AT_ONCE = 4_096
"""Maximum number of datagrams to read at a time: whoever floods the port delays nothing."""
_MESSAGE = struct.Struct("<Iqd")  # task, done, work
_TAG_BYTES = 16
_BYTES = _MESSAGE.size + _TAG_BYTES


@dataclass(frozen=True)
class Counter:
    """Tells the driver what tasks have done; pickled and sent to workers."""

    address: tuple[str, int] | None  # None: the driver can't be told before a task ends
    key: bytes = field(repr=False)
    ended: "Accumulator[dict[int, Done]]"

    def of_this_task(self) -> Callable[[int, float], None]:
        """A function to call in the current task, with how many more are done, and their work."""
        from pyspark import TaskContext

        context = TaskContext.get()
        task = context.partitionId() if context else 0
        total, due = (0, 0.0), 0.0

        def add(done: int, work: float) -> None:
            nonlocal total, due
            total = (total[0] + done, total[1] + work)
            self.ended.add({task: total})
            if self.address and (now := time.monotonic()) >= due:
                due = now + _EVERY_S
                if sender := _connected(self.address):
                    with suppress(OSError):
                        sender.send(_sealed(self.key, task, total))

        return add


@contextmanager
def counting(
    context: "SparkContext", count: Count, total: int, unit: str, work: float | None = None
) -> Iterator[Counter]:
    """A counter for the tasks of one Spark job, which `count` shows meanwhile.

    `work` is the sum of the work of all; None if all are alike.
    """
    key = secrets.token_bytes(32)
    done: dict[int, Done] = {}
    ended: Accumulator[dict[int, Done]] = context.accumulator({}, _LATEST)  # type: ignore[arg-type]
    reading = threading.Lock()  # the display asks in a thread of its own
    listener = _listener(context)

    def source() -> Done:
        with reading:
            if listener:
                with suppress(OSError):  # there are no more datagrams, or it is closed
                    for _ in range(_AT_ONCE):
                        _LATEST.addInPlace(done, _opened(key, listener.recv(_BYTES + 1)))
            _LATEST.addInPlace(done, dict(ended.value))
            return sum(parts for parts, _ in done.values()), sum(work for _, work in done.values())

    count.begin(total, unit, work, source)
    try:
        address = (_host(context), listener.getsockname()[1]) if listener else None
        yield Counter(address, key, ended)
    finally:
        with reading:
            if listener:
                listener.close()


class _Latest:
    """An `AccumulatorParam` that keeps the largest numbers of each task.

    A task that runs again starts anew, and datagrams may be late.
    """

    def zero(self, value: dict[int, Done]) -> dict[int, Done]:
        return {}

    def addInPlace(  # noqa: N802  # Spark's name
        self, value: dict[int, Done], more: dict[int, Done]
    ) -> dict[int, Done]:
        for task, numbers in more.items():
            value[task] = max(value.get(task, numbers), numbers)
        return value


_LATEST = _Latest()


def _sealed(key: bytes, task: int, numbers: Done) -> bytes:
    message = _MESSAGE.pack(task, *numbers)
    return message + hashlib.blake2b(message, key=key, digest_size=_TAG_BYTES).digest()


def _opened(key: bytes, datagram: bytes) -> dict[int, Done]:
    """What a datagram says; nothing if it is not one of a task with this key."""
    message, tag = datagram[: _MESSAGE.size], datagram[_MESSAGE.size :]
    expected = hashlib.blake2b(message, key=key, digest_size=_TAG_BYTES).digest()
    if len(message) < _MESSAGE.size or not hmac.compare_digest(tag, expected):
        return {}
    task, parts, work = _MESSAGE.unpack(message)
    return {task: (parts, work)}


# Sockets -------------------------------------------------------------------------------------


def _host(context: "SparkContext") -> str:
    """Where workers reach the driver."""
    return _setting(context, "spark.driver.host")


def _setting(context: "SparkContext", name: str) -> str:
    """A setting of the session, or "". (`getConf` would first copy all of them, in 30 ms.)"""
    return str(context._conf.get(name, ""))


def _listener(context: "SparkContext") -> socket.socket | None:
    """A socket where Spark's own of the driver listens; None if there can't be one."""
    host = _setting(context, "spark.driver.bindAddress") or _host(context)
    with suppress(OSError):
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, 0, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.bind(address)
        except OSError:
            listener.close()
            raise
        listener.setblocking(False)
        return listener
    return None


@lru_cache(maxsize=1)  # also of None, as a name server may take seconds to answer
def _connected(address: tuple[str, int]) -> socket.socket | None:
    """The socket of this process for that address, to which nobody else can send; None: no way."""
    try:
        family, kind, protocol, _, found = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0]
        sender = socket.socket(family, kind, protocol)
        sender.setblocking(False)
        sender.connect(found)
        return sender
    except (OSError, UnicodeError):
        return None
