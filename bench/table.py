"""Figures -> the rows of the one table: what was measured, ratios beside them, targets met or not.

A row of a step that gave nothing says why; a ratio whose other side is missing is left out.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from job import Figures
from rich.console import Console
from rich.markup import escape
from rich.table import Table

WORKER_MB = 600
GROWTH = 1.1  # of a worker's memory, for ten times the photos: flat
DRIVER_MB = 2_000
DAILY = 1.5  # of the time of a run that finds 100 new photos, for ten times those that it knows


@dataclass(frozen=True)
class Row:
    """One line. `value` is compared with `target`, if there is one: at least, or `at_most`."""

    part: str
    what: str
    photos: int | None = None
    figure: str = ""
    value: float | None = None
    of: str = ""  # what the value counts: «× the notebooks' way», «MB»
    target: float | None = None
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        if self.value is None or self.target is None:
            return None
        return self.value <= self.target if self.at_most else self.value >= self.target


def rows(figures: dict[str, Figures]) -> list[Row]:
    """Every row that these steps' figures give."""
    there = {name: found for name, found in figures.items() if "missing" not in found}
    made = [row for part in _PARTS for row in part(there)]
    missing = {name: f["missing"] for name, f in figures.items() if "missing" in f}
    return [*made, *(Row("missing", name, figure=why) for name, why in missing.items())]


def show(found: list[Row], title: str) -> None:
    """Prints the table."""
    table = Table(title=title, title_justify="left", caption=_NOTES, caption_justify="left")
    table.add_column("measured")
    table.add_column("photos", justify="right")
    table.add_column("figure")
    table.add_column("ratio / target")
    table.add_column("")
    for row, following in zip(found, [*found[1:], None], strict=True):
        met = {None: "", True: "[green]pass[/]", False: "[red]miss[/]"}[row.met]
        photos = "" if row.photos is None else f"{row.photos:,}"
        last = following is None or following.part != row.part
        table.add_row(
            escape(row.what), photos, escape(row.figure), _ratio(row), met, end_section=last
        )
    width = None if sys.stdout.isatty() else 120
    Console(highlight=False, width=width).print(table)


_NOTES = """\
First job: the first one in its Spark session. Warm: after a small job. Both count everything that \
`fruits featurize` does; to start Spark is not counted. The notebooks' way is a first job too.
Others: a first job too, without Ray's start and Daft's import of TensorFlow.
S3: moto's server, in Python, uses the same cores as the workers: slower than a disk, either way.
Growth: a worker's peak RSS with many photos, as a multiple of that with few."""


def _ratio(row: Row) -> str:
    if row.value is None:
        return ""
    digits = 0 if row.value >= 100 else 2
    target = "" if row.target is None else f" / {row.target:,g}"
    return f"{row.value:,.{digits}f}{target} {row.of}"


def _seconds(found: Figures) -> str:
    speed = found["photos"] / found["seconds"]
    return f"{found['seconds']:.1f} s, {speed:.1f} photos/s"


def _steps(found: Figures) -> str:
    return ", ".join(f"{name} {seconds:.1f}" for name, seconds in found["steps"].items()) + " s"


def _faster(found: Figures, *others: Figures | None) -> float | None:
    """Photos a second, as a multiple of the others' mean."""
    speeds = [other["photos"] / other["seconds"] for other in others if other]
    return found["photos"] / found["seconds"] / (sum(speeds) / len(speeds)) if speeds else None


def _features(figures: dict[str, Figures]) -> Iterator[Row]:
    part = "features"
    notebook = figures.get("notebook:features")
    if notebook:
        yield Row(part, "(a) the notebooks' way", notebook["photos"], _seconds(notebook))
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
                yield Row(part, "    of (c)", None, "", ratio, "× (c)", at_least)
        if warm := figures.get(f"features:{name}-warm"):
            goal = 0.95 if name == "float32" else None
            what, ratio = f"(b) this pipeline, {of}, warm", _faster(warm, *floors.get(name, []))
            yield Row(part, what, warm["photos"], _seconds(warm), ratio, "× (c)", goal)
            yield Row(part, "    its steps", figure=_steps(warm))
            yield Row(part, "    before it: start Spark", figure=f"{warm['spark_start_s']:.1f} s")
        for when, floor in zip(("", " again, after (b)"), floors.get(name, []), strict=False):
            if floor:
                what = f"(c) floor, {floor['processes']} processes, {name}{when}"
                yield Row(part, what, floor["photos"], _seconds(floor))


def _large(figures: dict[str, Figures]) -> Iterator[Row]:
    part = "12-megapixel photos"
    notebook, floor = figures.get("large:notebook"), figures.get("large:floor")
    if notebook:
        yield Row(part, "(a) the notebooks' way", notebook["photos"], _seconds(notebook))
    for when, goal in (("first", 12.0), ("warm", None)):
        if found := figures.get(f"large:{when}"):
            what, ratio = f"(b) this pipeline, {when} job", _faster(found, notebook)
            yield Row(part, what, found["photos"], _seconds(found), ratio, "× (a)", goal)
            yield Row(part, "    of (c)", None, "", _faster(found, floor), "× (c)", 0.9)
    if floor:
        what = f"(c) floor, {floor['processes']} processes"
        yield Row(part, what, floor["photos"], _seconds(floor))
    first = figures.get("large:first")
    for name, of in _OTHERS.items():
        if other := figures.get(f"large:{name}"):
            ratio = _faster(first, other) if first else None
            goal = 5.0 if name == "daft" else None
            yield Row(part, f"(d) {of}", other["photos"], _seconds(other))
            yield Row(part, "    (b) of it, first job", None, "", ratio, f"× {of}", goal)


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
                    yield Row(part, "    (b) of it", None, "", ratio, f"× {of}", 1)


_OTHERS = {"daft": "Daft", "ray": "Ray Data"}


def _whole(figures: dict[str, Figures]) -> Iterator[Row]:
    part = "whole job"
    notebook = figures.get("notebook:whole")
    if notebook:
        what = f"(a) the notebooks' way, PCA of {notebook['components']}"
        yield Row(part, what, notebook["photos"], _seconds(notebook))
        yield Row(part, "    its steps", figure=_steps(notebook))
    if found := figures.get("whole"):
        value = _faster(found, notebook)
        what = f"(b) this pipeline, run: PCA of {found['components']}, CSV"
        yield Row(part, what, found["photos"], _seconds(found), value, "× (a)", 20)
        yield Row(part, "    its steps, and the report after it", figure=_steps(found))
        yield Row(part, "    before it: start Spark", figure=f"{found['spark_start_s']:.1f} s")


def _start(figures: dict[str, Figures]) -> Iterator[Row]:
    if found := figures.get("start"):
        for name, what in (
            ("run_s", "fruits run, from the command to its last line"),
            ("again_s", "fruits run again, nothing new"),
            ("predict_s", "fruits predict, one photo"),
        ):
            photos = 1 if name == "predict_s" else found["photos"]
            yield Row("start-up", what, photos, f"{found[name]:.1f} s")


def _memory(figures: dict[str, Figures]) -> Iterator[Row]:
    part = "memory"
    few, many = figures.get("memory:few"), figures.get("memory:many")
    for found in (few, many):
        if found:
            others = (
                f"USS {found['worker_uss_mb']:.0f}, driver's Python {found['python_rss_mb']:.0f}, "
                f"JVM {found['jvm_rss_mb']:.0f} MB"
            )
            value, what = found["worker_rss_mb"], "peak RSS of a Python worker"
            yield Row(part, what, found["photos"], others, value, "MB", WORKER_MB, at_most=True)
    if few and many:
        value = many["worker_rss_mb"] / few["worker_rss_mb"]
        times = f"{many['photos'] / few['photos']:.1f} times the photos"
        yield Row(part, "its growth", None, times, value, "×", GROWTH, at_most=True)


def _slow_s3(figures: dict[str, Figures]) -> Iterator[Row]:
    part = "S3"
    if found := figures.get("slow-s3"):
        at_once, delayed = found["at_once"], found["delayed"]
        yield Row(part, "features from S3, no delay", at_once["photos"], _seconds(at_once))
        value, what = _faster(delayed, at_once), f"each GET {found['delay_s'] * 1000:.0f} ms later"
        yield Row(part, what, delayed["photos"], _seconds(delayed), value, "× no delay", 0.85)
        each = f"{at_once['get_s'] * 1000:.0f} ms, {delayed['get_s'] * 1000:.0f} ms"
        yield Row(part, "    one GET alone: no delay, with it", figure=each)
        value, seconds = at_once["featurize_s"] / delayed["featurize_s"], delayed["featurize_s"]
        yield Row(part, "    the step alone", None, f"{seconds:.1f} s", value, "× no delay")


def _million_keys(figures: dict[str, Figures]) -> Iterator[Row]:
    part = "keys"
    if found := figures.get("million-keys"):
        value, what = found["driver_rss_mb"], f"{found['keys']:,} keys: driver's peak RSS"
        each = f"Python {found['python_rss_mb']:.0f}, JVM {found['jvm_rss_mb']:.0f} MB"
        yield Row(part, what, None, each, value, "MB", DRIVER_MB, at_most=True)
        yield Row(part, "    its steps", figure=_steps(found))


def _daily(figures: dict[str, Figures]) -> Iterator[Row]:
    part = "daily"
    few, many = figures.get("daily:few"), figures.get("daily:many")
    for found in (few, many):
        if found:
            what = "100 new photos beside so many, warm, without PCA"
            yield Row(part, what, found["photos"], f"{found['seconds']:.1f} s")
            yield Row(part, "    its steps", figure=_steps(found))
            value = found["rewritten"]
            yield Row(
                part, "    files of theirs written anew", None, "", value, "", 0, at_most=True
            )
            each = f"driver {found['driver_rss_mb']:.0f}, worker {found['worker_rss_mb']:.0f} MB"
            yield Row(part, "    peak RSS", figure=each)
    if few and many:
        value = many["seconds"] / few["seconds"]
        times = f"{many['photos'] / few['photos']:.0f} times the photos"
        yield Row(part, "growth of its time", None, times, value, "×", DAILY, at_most=True)
        value = many["driver_rss_mb"] / few["driver_rss_mb"]
        yield Row(
            part, "growth of the driver's memory", None, times, value, "×", GROWTH, at_most=True
        )


def _pca(figures: dict[str, Figures]) -> Iterator[Row]:
    part = "PCA"
    if found := figures.get("pca"):
        photos, k = found["photos"], found["components"]
        ml, ours = found["spark_ml_s"], found["ours_s"]
        yield Row(part, f"Spark ML's scaler and PCA of {k}", photos, f"{ml:.1f} s")
        yield Row(part, "pca.fit_stored", photos, f"{ours:.1f} s", ml / ours, "× Spark ML")
        difference = f"{found['largest_difference']:.1e}"
        yield Row(part, "largest difference of explained variance", figure=difference)


def _worker_time(figures: dict[str, Figures]) -> Iterator[Row]:
    part = "worker"
    if found := figures.get("worker-time"):
        each = found["seconds"] / found["photos"] * 1000
        what = "one process, a task's work, float32"
        yield Row(part, what, found["photos"], f"{each:.2f} ms a photo")
        for name, seconds in found["steps"].items():
            share = f"{seconds / found['photos'] * 1000:5.2f} ms {seconds / found['seconds']:6.1%}"
            yield Row(part, f"    {name}", figure=share)


_PARTS = (
    *(_features, _large, _others, _whole, _start, _memory, _slow_s3),
    *(_million_keys, _daily, _pca, _worker_time),
)
