"""Turn figures into the rows of the table: measurements, ratios, and whether targets are met.

A step without figures gets a row with the reason; ratios to missing figures are left out.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from job import Figures
from rich.console import Console
from rich.markup import escape
from rich.table import Table

WORKER_MB = 600
GROWTH = 1.1  # of a worker's memory with ten times the photos, i.e. constant
DRIVER_MB = 2_000
DAILY = 1.5  # of the time of a run with 100 new photos, with ten times the known ones


@dataclass(frozen=True)
class Row:
    """One row. `value` must be at least `target`, if set, or with `at_most`, at most `target`."""

    part: str
    what: str
    photos: int | None = None
    figure: str = ""
    value: float | None = None
    of: str = ""  # unit of the value, such as "MB" or "× (a)"
    target: float | None = None
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        if self.value is None or self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target


def rows(figures: dict[str, Figures]) -> list[Row]:
    """All rows that can be derived from the steps' figures."""
    measured = {name: f for name, f in figures.items() if "missing" not in f}
    table = [row for part in _PARTS for row in part(measured)]
    missing = {name: f["missing"] for name, f in figures.items() if "missing" in f}
    return [*table, *(Row("missing", name, figure=why) for name, why in missing.items())]


def show(table_rows: list[Row], title: str) -> None:
    """Print the table."""
    table = Table(title=title, title_justify="left", caption=_NOTES, caption_justify="left")
    table.add_column("measured")
    table.add_column("photos", justify="right")
    table.add_column("figure")
    table.add_column("ratio / target")
    table.add_column("")
    for row, following in zip(table_rows, [*table_rows[1:], None], strict=True):
        met = {None: "", True: "[green]pass[/]", False: "[red]miss[/]"}[row.met]
        photos = "" if row.photos is None else f"{row.photos:,}"
        last = following is None or following.part != row.part
        table.add_row(
            escape(row.what), photos, escape(row.figure), _ratio(row), met, end_section=last
        )
    width = None if sys.stdout.isatty() else 120
    Console(highlight=False, width=width).print(table)


_NOTES = """\
First job: the first one of its Spark session. Warm: after a small job. Both include everything \
that `fruits featurize` does, but not starting Spark. The notebook approach is a first job too.
Others: also a first job, without Ray's start-up and Daft's import of TensorFlow.
S3: moto's Python server shares the cores with the workers, so both cases are slower than a disk.
Growth: a worker's peak RSS with many photos, as a multiple of that with few."""


def _ratio(row: Row) -> str:
    if row.value is None:
        return ""
    digits = 0 if row.value >= 100 else 2
    target = "" if row.target is None else f" / {row.target:,g}"
    return f"{row.value:,.{digits}f}{target} {row.of}"


def _seconds(step: Figures) -> str:
    speed = step["photos"] / step["seconds"]
    return f"{step['seconds']:.1f} s, {speed:.1f} photos/s"


def _steps(step: Figures) -> str:
    return ", ".join(f"{name} {seconds:.1f}" for name, seconds in step["steps"].items()) + " s"


def _faster(step: Figures, *others: Figures | None) -> float | None:
    """Photos per second, as a multiple of the others' mean."""
    speeds = [other["photos"] / other["seconds"] for other in others if other]
    return step["photos"] / step["seconds"] / (sum(speeds) / len(speeds)) if speeds else None


def _features(figures: dict[str, Figures]) -> Iterator[Row]:
    part = "features"
    notebook = figures.get("notebook:features")
    if notebook:
        yield Row(part, "(a) notebook approach", notebook["photos"], _seconds(notebook))
    floors = {
        "float32": [figures.get("floor:before"), figures.get("floor:after")],
        "bf16": [figures.get("floor:bf16")],
    }
    for name in ("tensorflow", "float32", "bf16"):
        of = name if name == "tensorflow" else f"openvino {name}"
        if first := figures.get(f"features:{name}"):
            goal = 5.0 if name == "float32" else None
            what, ratio = f"(b) this pipeline, {of}, first job", _faster(first, notebook)
            yield Row(part, what, first["photos"], _seconds(first), ratio, "× (a)", goal)
            if ratio := _faster(first, *floors.get(name, [])):
                at_least = 0.9 if name == "float32" else None
                yield Row(part, "    relative to (c)", None, "", ratio, "× (c)", at_least)
        if warm := figures.get(f"features:{name}-warm"):
            goal = 0.95 if name == "float32" else None
            what, ratio = f"(b) this pipeline, {of}, warm", _faster(warm, *floors.get(name, []))
            yield Row(part, what, warm["photos"], _seconds(warm), ratio, "× (c)", goal)
            yield Row(part, "    its steps", figure=_steps(warm))
            yield Row(part, "    Spark start-up, excluded", figure=f"{warm['spark_start_s']:.1f} s")
        for when, floor in zip(("", " again, after (b)"), floors.get(name, []), strict=False):
            if floor:
                what = f"(c) floor, {floor['processes']} processes, {name}{when}"
                yield Row(part, what, floor["photos"], _seconds(floor))


def _large(figures: dict[str, Figures]) -> Iterator[Row]:
    part = "12-megapixel photos"
    notebook = figures.get("large:notebook")
    floors = [figures.get("large:floor:before"), figures.get("large:floor:after")]
    if notebook:
        yield Row(part, "(a) notebook approach", notebook["photos"], _seconds(notebook))
    for when, goal in (("first", 12.0), ("warm", None)):
        if step := figures.get(f"large:{when}"):
            what, ratio = f"(b) this pipeline, {when} job", _faster(step, notebook)
            yield Row(part, what, step["photos"], _seconds(step), ratio, "× (a)", goal)
            yield Row(part, "    relative to (c)", None, "", _faster(step, *floors), "× (c)", 0.9)
    for when, floor in zip(("", " again, after (b)"), floors, strict=True):
        if floor:
            what = f"(c) floor, {floor['processes']} processes{when}"
            yield Row(part, what, floor["photos"], _seconds(floor))
    first = figures.get("large:first")
    for name, of in _OTHERS.items():
        if other := figures.get(f"large:{name}"):
            ratio = _faster(first, other) if first else None
            goal = 5.0 if name == "daft" else None
            yield Row(part, f"(d) {of}", other["photos"], _seconds(other))
            yield Row(part, "    (b) relative to it, first job", None, "", ratio, f"× {of}", goal)


def _others(figures: dict[str, Figures]) -> Iterator[Row]:
    part = "others"
    for least in (2_000, 7_000):
        if this := figures.get(f"others:{least}:this"):
            what = "(b) this pipeline, features, first job"
            yield Row(part, what, this["photos"], _seconds(this))
            for name, of in _OTHERS.items():
                if other := figures.get(f"others:{least}:{name}"):
                    yield Row(part, f"(d) {of}", other["photos"], _seconds(other))
                    ratio = _faster(this, other)
                    yield Row(part, "    (b) relative to it", None, "", ratio, f"× {of}", 1)


_OTHERS = {"daft": "Daft", "ray": "Ray Data"}


def _whole(figures: dict[str, Figures]) -> Iterator[Row]:
    part = "whole job"
    notebook = figures.get("notebook:whole")
    if notebook:
        what = f"(a) notebook approach, PCA with {notebook['components']} components"
        yield Row(part, what, notebook["photos"], _seconds(notebook))
        yield Row(part, "    its steps", figure=_steps(notebook))
    if step := figures.get("whole"):
        value = _faster(step, notebook)
        what = f"(b) this pipeline, run: PCA with {step['components']} components, CSV"
        yield Row(part, what, step["photos"], _seconds(step), value, "× (a)", 20)
        yield Row(part, "    its steps, and the report (excluded)", figure=_steps(step))
        yield Row(part, "    Spark start-up, excluded", figure=f"{step['spark_start_s']:.1f} s")


def _start(figures: dict[str, Figures]) -> Iterator[Row]:
    if step := figures.get("start"):
        for name, what in (
            ("run_s", "fruits run, the whole command"),
            ("again_s", "fruits run again, no new photos"),
            ("predict_s", "fruits predict, one photo"),
        ):
            photos = 1 if name == "predict_s" else step["photos"]
            yield Row("start-up", what, photos, f"{step[name]:.1f} s")


def _memory(figures: dict[str, Figures]) -> Iterator[Row]:
    part = "memory"
    few, many = figures.get("memory:few"), figures.get("memory:many")
    for step in (few, many):
        if step:
            others = (
                f"USS {step['worker_uss_mb']:.0f}, driver's Python {step['python_rss_mb']:.0f}, "
                f"JVM {step['jvm_rss_mb']:.0f} MB"
            )
            value, what = step["worker_rss_mb"], "peak RSS of a Python worker"
            yield Row(part, what, step["photos"], others, value, "MB", WORKER_MB, at_most=True)
    if few and many:
        value = many["worker_rss_mb"] / few["worker_rss_mb"]
        times = f"{many['photos'] / few['photos']:.1f} times the photos"
        yield Row(part, "    growth", None, times, value, "×", GROWTH, at_most=True)


def _slow_s3(figures: dict[str, Figures]) -> Iterator[Row]:
    part = "S3"
    if step := figures.get("slow-s3"):
        at_once, delayed = step["at_once"], step["delayed"]
        yield Row(part, "features from S3, no delay", at_once["photos"], _seconds(at_once))
        value, what = (
            _faster(delayed, at_once),
            f"the same, {step['delay_s'] * 1000:.0f} ms of latency per GET",
        )
        yield Row(part, what, delayed["photos"], _seconds(delayed), value, "× no delay", 0.85)
        gets = f"{at_once['get_s'] * 1000:.0f} ms, {delayed['get_s'] * 1000:.0f} ms"
        yield Row(part, "    single GET: no delay, with delay", figure=gets)
        value, seconds = at_once["featurize_s"] / delayed["featurize_s"], delayed["featurize_s"]
        yield Row(part, "    featurize step only", None, f"{seconds:.1f} s", value, "× no delay")


def _million_keys(figures: dict[str, Figures]) -> Iterator[Row]:
    part = "keys"
    if step := figures.get("million-keys"):
        value, what = step["driver_rss_mb"], f"{step['keys']:,} keys: driver's peak RSS"
        memory = f"Python {step['python_rss_mb']:.0f}, JVM {step['jvm_rss_mb']:.0f} MB"
        yield Row(part, what, None, memory, value, "MB", DRIVER_MB, at_most=True)
        yield Row(part, "    its steps", figure=_steps(step))


def _daily(figures: dict[str, Figures]) -> Iterator[Row]:
    part = "daily"
    few, many = figures.get("daily:few"), figures.get("daily:many")
    for step in (few, many):
        if step:
            what = "100 new photos in addition to these, warm, without PCA"
            yield Row(part, what, step["photos"], f"{step['seconds']:.1f} s")
            yield Row(part, "    its steps", figure=_steps(step))
            value = step["rewritten"]
            yield Row(part, "    existing files rewritten", None, "", value, "", 0, at_most=True)
            memory = f"driver {step['driver_rss_mb']:.0f}, worker {step['worker_rss_mb']:.0f} MB"
            yield Row(part, "    peak RSS", figure=memory)
    if few and many:
        value = many["seconds"] / few["seconds"]
        times = f"{many['photos'] / few['photos']:.0f} times the photos"
        yield Row(part, "growth of the time", None, times, value, "×", DAILY, at_most=True)
        value = many["driver_rss_mb"] / few["driver_rss_mb"]
        yield Row(
            part, "growth of the driver's memory", None, times, value, "×", GROWTH, at_most=True
        )


def _pca(figures: dict[str, Figures]) -> Iterator[Row]:
    part = "PCA"
    if step := figures.get("pca"):
        photos, k = step["photos"], step["components"]
        ml, ours = step["spark_ml_s"], step["ours_s"]
        yield Row(part, f"Spark ML's scaler and PCA with {k} components", photos, f"{ml:.1f} s")
        yield Row(part, "pca.fit_stored", photos, f"{ours:.1f} s", ml / ours, "× Spark ML")
        difference = f"{step['largest_difference']:.1e}"
        yield Row(part, "largest difference in explained variance", figure=difference)


def _worker_time(figures: dict[str, Figures]) -> Iterator[Row]:
    part = "worker"
    if step := figures.get("worker-time"):
        ms = step["seconds"] / step["photos"] * 1000
        what = "one process, a task's work, float32"
        yield Row(part, what, step["photos"], f"{ms:.2f} ms per photo")
        for name, seconds in step["steps"].items():
            share = f"{seconds / step['photos'] * 1000:5.2f} ms {seconds / step['seconds']:6.1%}"
            yield Row(part, f"    {name}", figure=share)


_PARTS = (
    *(_features, _large, _others, _whole, _start, _memory, _slow_s3),
    *(_million_keys, _daily, _pca, _worker_time),
)
