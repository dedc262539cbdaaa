"""Checks of this machine: Python, Java, Spark, user, locale, memory, modules."""

import json
import locale
import os
import platform
import re
import socket
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from fruits import __version__
from fruits.doctor.check import Problem
from fruits.session import environment
from fruits.session.modules import shadowing_files
from fruits.settings import Settings

_WORKER_MB = 300
"""Memory of a Python worker: 260 MB measured with photos of 12 megapixels, 290 MB with `exact`."""
_UNITS = {"k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_IMPORTED = ("numpy", "pandas", "pyarrow", "PIL", "pi_heif", "boto3", "jinja2", "openvino")

_IMPORT = """
import importlib, json, sys
sys.modules["openvino_telemetry"] = None
failed = {}
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except BaseException as error:
        failed[name] = f"{type(error).__name__}: {error}"
print("\\n" + json.dumps(failed))
"""
_WORKER = """
import json, platform
import pandas, pyarrow.compute, pyspark.worker
import fruits, fruits.features.extract
print("\\n" + json.dumps([platform.python_version(), fruits.__version__, fruits.__file__]))
"""


def python() -> str:
    """The interpreter, and the versions of packages, against those required."""
    wrong = []
    try:
        required = requires("fruits") or []
    except PackageNotFoundError:
        required = []
    for requirement in required:
        name, _, condition = requirement.partition(";")
        if "extra" not in condition:
            wrong += _unmet(name.strip())
    if wrong:
        raise Problem("; ".join(wrong), f"{sys.executable} -m pip install --upgrade fruits")
    return f"{platform.python_version()} ({sys.executable}), fruits {__version__}"


def _unmet(requirement: str) -> list[str]:
    """What is wrong with the installed version, for a requirement such as `numpy<2.5,>=2.3`."""
    parsed = re.match(r"([\w.-]+)(?:\[.*\])?\s*(.*)", requirement)
    if parsed is None:
        return []
    try:
        installed = version(parsed[1])
    except PackageNotFoundError:
        return [f"{parsed[1]} is not installed"]
    for operator, wanted in re.findall(r"(==|>=|<=|<|>)\s*([\d.]+)", parsed[2]):
        have, limit = _numbers(installed), _numbers(wanted)
        met = {
            "==": have == limit, ">=": have >= limit, "<=": have <= limit,
            "<": have < limit, ">": have > limit,
        }  # fmt: skip
        if not met[operator]:
            return [f"{parsed[1]} {installed} is installed, {operator}{wanted} is required"]
    return []


def _numbers(text: str) -> list[int]:
    numbers = [int(n) for n in re.findall(r"\d+", re.split(r"[^\d.]", text)[0])]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return numbers


def packages() -> str:
    """Whether the packages can be imported: in another process, which they may crash."""
    failed: dict[str, str] = _python(_IMPORT, *_IMPORTED)
    if failed:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
        advice = f"see `modules`, or {sys.executable} -m pip install --force-reinstall fruits"
        raise Problem(reasons[:300], advice)
    return f"{', '.join(_IMPORTED)} can be imported"


def _python(code: str, *args: str, env: dict[str, str] | None = None) -> Any:
    """The last line that this code prints, in this interpreter, as JSON."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *args],
        check=False,
        capture_output=True,
        text=True,
        env=env,
        timeout=60,
    )
    lines = (done.stderr if done.returncode else done.stdout).splitlines()
    last = next((line for line in reversed(lines) if line.strip()), "no output")
    if done.returncode:
        raise Problem(f"exit code {done.returncode}: {last.strip()[:300]}")
    return json.loads(last)


def java() -> str:
    """Java's version and path."""
    found = f"{environment.check_java()} ({environment.find_java()})"
    given = [f"{name}={os.environ[name]}" for name in environment.JVM_OPTIONS if name in os.environ]
    return ", ".join([found, *given])


def spark(*, local: bool) -> str:
    """Spark's version and folder, and the variables that change its settings."""
    import pyspark

    home = environment.spark_home(local=local)
    environment.submit_args()
    environment.check_local_dirs()
    found = f"{pyspark.__version__} ({home})"
    names = (*environment.SPARK_VARIABLES, "SPARK_LOCAL_DIRS")
    given = [f"{name}={os.environ[name]}" for name in names if os.environ.get(name)]
    if (other := os.environ.get("SPARK_HOME")) and other != home:
        raise Problem(
            f"{found}; SPARK_HOME={other} is missing or another version, and not used",
            "unset SPARK_HOME",
            serious=False,
        )
    return ", ".join([found, *given])


def workers_python() -> str:
    """Starts this interpreter as for a local worker."""
    env = {**environment.for_java(local=True), "PYTHONSAFEPATH": "1"}
    try:
        worker: list[str] = _python(_WORKER, env=env)
    except Problem as problem:
        raise Problem(problem.found, "reinstall fruits, or correct PYTHONPATH") from None
    if worker[:2] != [platform.python_version(), __version__]:
        raise Problem(
            f"Python {worker[0]} and fruits {worker[1]} ({worker[2]}), here "
            f"{platform.python_version()} and {__version__}",
            "correct PYTHONPATH",
        )
    found = f"Python {worker[0]}, fruits {worker[1]} ({sys.executable})"
    given = os.environ.get("PYSPARK_PYTHON", sys.executable)
    if given != sys.executable:
        found += f"; PYSPARK_PYTHON={given} is only used with a remote master"
    return found


def host(*, local: bool) -> str:
    """The host's name, and whether it resolves."""
    name = socket.gethostname()
    try:
        address = socket.getaddrinfo(name, None)[0][4][0]
    except (OSError, UnicodeError):
        raise Problem(
            f"{name} does not resolve" + (", which is not needed here" if local else ""),
            "add it to /etc/hosts, or set SPARK_LOCAL_IP",
            serious=not local,
        ) from None
    return f"{name}, {address}"


def user() -> str:
    """The user and their home."""
    name, home = environment.user_name(), os.environ.get("HOME")
    expanded = os.path.expanduser("~")
    if name is None:
        name = f"uid {os.geteuid()} without a passwd entry, as {environment.login_name()}"
    if expanded == "~":
        raise Problem(f"{name}, no home", "set HOME, or FRUITS_CACHE", serious=False)
    if not os.path.isdir(expanded):
        raise Problem(f"{name}, home {expanded} is missing", "set HOME", serious=False)
    return f"{name}, home {expanded}" + ("" if home else " (HOME is not set)")


def encoding() -> str:
    """The encoding of the locale, in which Java would read and write file names."""
    names = ("LC_ALL", "LC_CTYPE", "LANG")
    given = ", ".join(f"{name}={os.environ[name]}" for name in names if os.environ.get(name))
    found = f"{locale.getencoding()} ({given or 'LANG is not set'})"
    if locale.getencoding().upper().replace("-", "") != "UTF8":
        raise Problem(f"{found}; UTF-8 is used", "export LC_ALL=C.UTF-8", serious=False)
    return found


def memory(settings: Settings, *, local: bool) -> str:
    """The memory of a run, against what is available here and to this container."""
    heap = int(settings.driver_memory[:-1]) * _UNITS[settings.driver_memory[-1].lower()] / 2**20
    cores = len(os.sched_getaffinity(0)) if local else 0
    needed = heap + cores * _WORKER_MB
    available, where = _available_mb()
    found = f"{needed / 1024:.1f} GB needed ({settings.driver_memory} for Java"
    found += f", {_WORKER_MB} MB for each of {cores} workers)" if local else ")"
    found += f", {available / 1024:.1f} GB available {where}"
    if available < heap:
        raise Problem(found, "pass a smaller --driver-memory")
    if available < needed:
        raise Problem(found, "use fewer workers (--master local[1]) or end programs", serious=False)
    return found


def _available_mb() -> tuple[float, str]:
    """The memory that is available to this process, and what limits it."""
    kilobytes = re.search(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text())
    found = [(int(kilobytes[1]) / 1024 if kilobytes else 0.0, "on this machine")]
    for folder, limit, used in _cgroups():
        try:
            free = int((folder / limit).read_text()) - int((folder / used).read_text())
        except (OSError, ValueError):  # "max", or no such file
            continue
        found.append((free / 2**20, "to this container"))
    return min(found)


def _cgroups() -> list[tuple[Path, str, str]]:
    """Folders of this process's control groups, of versions 1 and 2, with their files' names."""
    root, found = Path("/sys/fs/cgroup"), []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        own = Path(path.lstrip("/"))
        if not controllers:
            files = ("memory.max", "memory.current")
            found += [(root / part, *files) for part in (own, *own.parents)]
        elif "memory" in controllers.split(","):
            files = ("memory.limit_in_bytes", "memory.usage_in_bytes")
            found += [(root / "memory" / part, *files) for part in (own, *own.parents)]
    return found


def modules() -> str:
    """Whether files of the working folder, or of PYTHONPATH, stand in for modules."""
    package = Path(environment.__file__).resolve().parents[2]
    given = [Path(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    for folder in given:
        names = [] if folder.resolve() == package else shadowing_files(folder)
        if names:
            # Packages there may be what is meant to be used; modules of Python never are.
            serious = any(name.partition(".")[0] in sys.stdlib_module_names for name in names)
            raise Problem(
                f"{_few(names)} in {folder}, which is in PYTHONPATH",
                "rename them, or remove the folder from PYTHONPATH",
                serious=serious,
            )
    here = Path.cwd()
    if here.resolve() != package and (names := shadowing_files(here)):
        raise Problem(
            f"{_few(names)} in {here} would be imported by scripts and notebooks there",
            "rename them",
            serious=False,
        )
    return f"none in {here}"


def _few(names: list[str]) -> str:
    return ", ".join([*names[:4], *(["…"] if len(names) > 4 else [])])
