"""A Spark session with one task in a Python worker, in a process of its own."""

import json
import os
import subprocess
import sys

from fruits.doctor.check import Problem
from fruits.errors import FruitsError
from fruits.session import environment
from fruits.settings import Settings

TIMEOUT_S = 90


def session(settings: Settings) -> str:
    """Starts Spark, which prints nothing here if it fails; returns what a worker answered."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(environment.workers_path())}
    given = {name: getattr(settings, name) for name in ("master", "driver_memory", "cache")}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "fruits.doctor.session", json.dumps(given)],
            check=False,
            capture_output=True,
            text=True,
            env=env,
            timeout=TIMEOUT_S - 5,
        )
    except subprocess.TimeoutExpired:
        raise Problem(
            f"no task has run within {TIMEOUT_S - 5} s",
            "check that the cluster has free cores and memory, and can reach this machine",
        ) from None
    lines = [
        line for line in (done.stderr if done.returncode else done.stdout).splitlines() if line
    ]
    last = lines[-1] if lines else f"exit code {done.returncode}"
    if done.returncode:
        raise FruitsError(last)
    return last


def main() -> None:
    """Runs the task in this process; prints one line."""
    from fruits.session import start_session
    from fruits.session.workers import check_workers

    try:
        spark = start_session(Settings(**json.loads(sys.argv[1])), wake=False)
        worker = check_workers(spark.sparkContext)
        print(f"{spark.sparkContext.master}, one task: {worker}")
        spark.stop()
    except FruitsError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
