"""Sessions in broken environments: they start, or one line says why not."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from command import namespaced

import fruits

SESSION = """
import sys
import tempfile
from pathlib import Path
from fruits.errors import FruitsError
from fruits.session import start_session
from fruits.settings import Settings
try:
    spark = start_session(Settings(master="local[1]", **eval(sys.argv[2])), wake=False)
    spark.range(3).write.parquet(sys.argv[1])
    def imported(_):
        import calendar, numpy, os
        return calendar.__file__ + " " + os.environ.get("AWS_ACCESS_KEY_ID", "")
    print(spark.sparkContext.parallelize([0], 1).map(imported).first())
    print(spark.read.parquet(sys.argv[1]).count(), "rows")
    print(len(list(Path(tempfile.gettempdir()).glob("fruits-*/.*.sock"))), "sockets")
except FruitsError as error:
    sys.exit(f"refused: {error}")
"""


def session(
    out: Path, *before: str, settings: str = "{}", cwd: str = ".", **variables: str
) -> "subprocess.CompletedProcess[str]":
    """A session that writes Parquet, in Java, and runs a task, in Python."""
    # Tests that erase, at the same time, empty the log of the usual cache.
    own = {
        "PYTHONPATH": str(Path(fruits.__file__).parents[1]),
        "XDG_CACHE_HOME": str(out.with_name("cache")),
    }
    return subprocess.run(
        [*before, sys.executable, "-P", "-c", SESSION, str(out), settings],
        check=False,
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **own, **variables},
        timeout=120,
    )


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """A virtual environment without packages."""
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True, timeout=60
    )
    return tmp_path / "venv" / "bin" / "python"


def test_session_starts_in_spite_of_variables_for_others(tmp_path: Path, foreign: Path) -> None:
    """Each of them alone would keep it from starting, its workers from running, or be printed."""
    done = session(
        tmp_path / "rows",
        PYSPARK_PYTHON=str(foreign),
        PYSPARK_DRIVER_PYTHON="jupyter",
        SPARK_HOME="/no/such/spark",
        SPARK_LOCAL_IP="no-such-host.invalid",
        SPARK_LOCAL_HOSTNAME="no-such-host.invalid",
        PYSPARK_SUBMIT_ARGS="--driver-memory 600m --master yarn",
        PYSPARK_GATEWAY_PORT="1",
        PYSPARK_GATEWAY_SECRET="stale",  # noqa: S106
        JAVA_TOOL_OPTIONS="-Dfruit=apple",
    )
    assert "3 rows" in done.stdout, done.stderr
    assert done.stderr == ""


def test_modules_in_the_working_folder_and_accents_in_the_c_locale(tmp_path: Path) -> None:
    """Workers import nothing from the working folder, and Java writes any name."""
    here = tmp_path / "here"
    (here / "fruits").mkdir(parents=True)
    for name in ("calendar", "random", "numpy", "fruits/__init__"):
        (here / f"{name}.py").write_text("raise RuntimeError('mine')")
    done = session(tmp_path / "résultats 苹果", cwd=str(here), LC_ALL="C")
    assert "3 rows" in done.stdout, done.stderr
    assert str(here) not in done.stdout
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "here", "résultats 苹果"}


@pytest.mark.parametrize(("name", "sockets"), [("t", "2 sockets"), ("t" * 60, "0 sockets")])
def test_workers_are_reached_by_sockets_in_a_folder_that_goes_with_the_session(
    tmp_path: Path, name: str, sockets: str
) -> None:
    """Unless the path of the folder for temporary files is too long for sockets."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # pytest's own has a long path
        temp = Path(folder, name)
        temp.mkdir()
        done = session(tmp_path / "rows", TMPDIR=str(temp))
        assert "3 rows" in done.stdout, done.stderr
        assert sockets in done.stdout
        assert not list(temp.glob("fruits-*"))


def test_host_name_need_not_resolve_and_temporary_files_may_be_mounted_noexec(
    tmp_path: Path,
) -> None:
    mount = "mount --bind /tmp /tmp && mount -o remount,bind,noexec /tmp"
    words = namespaced("--uts", "--mount", command=f"hostname no-such-host && {mount}")
    # With keys, Spark looks up the name where nothing can be set instead.
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    cache = Path.home() / ".cache" / "fruits-tests"
    try:
        settings = f"dict(cache='{cache}')"
        done = session(tmp_path / "rows", *words, settings=settings, TMPDIR="", **keys)
    finally:
        shutil.rmtree(cache, ignore_errors=True)
    assert "3 rows" in done.stdout, done.stderr
    assert done.stdout.splitlines()[0].endswith(" key")


def test_uid_needs_no_passwd_entry() -> None:
    may_read = ["--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"]
    words = ["setpriv", "--reuid", "12345", "--clear-groups", *may_read]
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("another uid needs root")
    with tempfile.TemporaryDirectory() as folder:  # others can't enter pytest's own
        Path(folder).chmod(0o777)
        settings = f"dict(cache='{folder}/cache')"
        done = session(Path(folder, "rows"), *words, "env", "-u", "HOME", settings=settings)
    assert "3 rows" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PYSPARK_SUBMIT_ARGS": "--nonsense pyspark-shell"}, "Unrecognized option: --nonsense"),
        ({"PYSPARK_SUBMIT_ARGS": "--version pyspark-shell"}, "unset PYSPARK_SUBMIT_ARGS"),
        ({"JAVA_TOOL_OPTIONS": "-XX:+Nonsense"}, "correct or unset JAVA_TOOL_OPTIONS"),
        ({"_JAVA_OPTIONS": "-Xmx16m"}, "Java's memory does not suffice"),
        ({"SPARK_LOCAL_DIRS": "/proc/nowhere"}, "SPARK_LOCAL_DIRS=/proc/nowhere can't be written"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_one_line_says_why_spark_cant_be_started(
    tmp_path: Path, variables: dict[str, str], words: str
) -> None:
    done = session(tmp_path / "rows", **variables)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("refused: ")
    assert words in line


def test_settings_of_another_spark_are_named(tmp_path: Path) -> None:
    (tmp_path / "spark-defaults.conf").write_text("spark.serializer com.example.Nope\n")
    done = session(tmp_path / "rows", SPARK_CONF_DIR=str(tmp_path), SPARK_SUBMIT_OPTS="")
    (line,) = done.stderr.splitlines()
    assert "ClassNotFoundException: com.example.Nope" in line
    assert line.endswith("correct or unset SPARK_CONF_DIR, or run `fruits doctor`")


def test_too_little_memory_is_named(tmp_path: Path) -> None:
    done = session(tmp_path / "rows", settings="dict(driver_memory='100m')")
    (line,) = done.stderr.splitlines()
    assert "too few: pass --driver-memory 512m or more" in line
