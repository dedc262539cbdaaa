"""The environment in which Spark starts: what is used of it, what is replaced, what is refused.

With a local master, nothing outside this Python environment has to fit: its own interpreter runs
the workers, its own Spark is used, and the host's name is only looked up if AWS_ACCESS_KEY_ID is
set. With a remote master, what the cluster sets is respected.
"""

import atexit
import locale
import os
import pwd
import re
import shlex
import shutil
import site
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from fruits import signals
from fruits.errors import FruitsError
from fruits.settings import cache_folder

MIN_JAVA = 17
DOCTOR = "run `fruits doctor`"
"""What error lines point to, where the cause may be elsewhere in the environment."""
INSTALL_JAVA = (
    "install it (on Debian and Ubuntu, apt install default-jre-headless) or set JAVA_HOME"
)
JVM_OPTIONS = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")
"""Variables with options for every JVM."""
SPARK_VARIABLES = ("PYSPARK_SUBMIT_ARGS", "SPARK_SUBMIT_OPTS", "SPARK_CONF_DIR", "HADOOP_CONF_DIR")

_SOCKET_FOLDER = 64
"""The longest path of a folder for sockets: Linux allows 107 bytes, and Spark's names have 43."""


# Java ----------------------------------------------------------------------------------------


def find_java() -> str:
    """The path of the `java` that Spark's launcher uses.

    Raises:
        FruitsError: there is none.
    """
    home = os.environ.get("JAVA_HOME")
    if found := shutil.which("java", path=str(Path(home, "bin")) if home else None):
        return found
    where = f"not found in JAVA_HOME={home}" if home else "not found"
    raise FruitsError(f"Spark needs Java {MIN_JAVA} or newer, which was {where}: {INSTALL_JAVA}")


def check_java() -> str:
    """Runs Java, in 0.1 s; returns its version.

    Raises:
        FruitsError: it is missing, broken or too old.
    """
    java = find_java()
    try:
        done = subprocess.run(
            [java, "-version"], check=False, capture_output=True, text=True, timeout=20
        )
        said = done.stderr + done.stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise FruitsError(f"Java ({java}) can't be run ({error}): {INSTALL_JAVA}") from None
    version = re.search(r'^\w+ version "((?:1\.)?(\d+)[^"]*)"', said, re.MULTILINE)
    if done.returncode or version is None:
        lines = [line for line in said.splitlines() if not re.match("NOTE: |Picked up ", line)]
        reason = " ".join(lines[0].split()) if lines else f"exit code {done.returncode}"
        raise FruitsError(f"Java ({java}) does not work ({reason}): {_unset(*JVM_OPTIONS)}")
    if int(version[2]) < MIN_JAVA:
        raise FruitsError(
            f"Java {version[1]} ({java}) is too old, Spark needs {MIN_JAVA} or newer: "
            f"{INSTALL_JAVA}"
        )
    return version[1]


def _unset(*names: str) -> str:
    """Advice to unset those of these variables that are set."""
    if found := [name for name in names if os.environ.get(name)]:
        return f"correct or unset {', '.join(found)}"
    return INSTALL_JAVA if names == JVM_OPTIONS else DOCTOR


# Spark ---------------------------------------------------------------------------------------


def spark_home(*, local: bool = True) -> str:
    """The folder of Spark: SPARK_HOME if it is the version of pyspark, else pyspark itself.

    Raises:
        FruitsError: the master is not local and SPARK_HOME, which may hold the settings of the
            cluster, is another version.
    """
    import pyspark

    own, given = pyspark.__path__[0], os.environ.get("SPARK_HOME")
    if not given or any(Path(given, "jars").glob(f"spark-core_*-{pyspark.__version__}.jar")):
        return given or own
    if local or not os.path.isdir(given):
        return own
    raise FruitsError(
        f"SPARK_HOME={given} is not Spark {pyspark.__version__}, which pyspark here is: "
        "unset it, or install the same version"
    )


def submit_args() -> list[str]:
    """The arguments in PYSPARK_SUBMIT_ARGS, without the final `pyspark-shell`.

    Raises:
        FruitsError: a quote is not closed.
    """
    text = os.environ.get("PYSPARK_SUBMIT_ARGS", "")
    try:
        args = shlex.split(text)
    except ValueError as error:
        raise FruitsError(
            f"PYSPARK_SUBMIT_ARGS={text} can't be parsed ({error}): correct or unset it"
        ) from None
    return args[:-1] if args and args[-1] == "pyspark-shell" else args


def master(given: str | None) -> str:
    """The Spark master: the one given, else of spark-submit, else of MASTER, else local."""
    args = submit_args()
    for option, value in pairwise([*args, ""]):
        if option == "--master" or option.startswith("--master="):
            given = given or option.partition("=")[2] or value
    return given or os.environ.get("MASTER") or "local[*]"


def is_local(master: str) -> bool:
    """Whether Spark runs in one process on this machine."""
    return re.match(r"local(\[|$)", master) is not None


def has_gateway() -> bool:
    """Whether spark-submit has started this process, and its JVM still answers."""
    port, secret = (os.environ.get(f"PYSPARK_GATEWAY_{name}") for name in ("PORT", "SECRET"))
    try:
        socket.create_connection(("127.0.0.1", int(port or "")), timeout=5).close()
        return bool(secret)
    except (ValueError, OverflowError, OSError):
        return False


def check_local_dirs() -> None:
    """Raises FruitsError if Spark can't write to any folder of SPARK_LOCAL_DIRS."""
    given = os.environ.get("SPARK_LOCAL_DIRS", "")
    folders = [folder for folder in given.split(",") if folder]
    if folders and not any(is_writable(Path(folder)) for folder in folders):
        raise FruitsError(
            f"SPARK_LOCAL_DIRS={given} can't be written to: name another folder, or unset it"
        )


def own_local_dirs(given: str) -> str:
    """Folders for Spark's scratch files, as in SPARK_LOCAL_DIRS: in the command, folders of its own
    in the given ones, as a JVM that is killed leaves its files.
    """
    own = []
    for folder in given.split(",") if signals.are_handled() else ():
        with suppress(OSError):
            path = os.path.abspath(folder.strip())
            os.makedirs(path, exist_ok=True)
            own.append(signals.temporary_folder(path))
    return ",".join(own) or given


def for_java(*, local: bool) -> dict[str, str]:
    """The environment variables of the JVM, which its Python workers inherit.

    Raises:
        FruitsError: as `spark_home`.
    """
    env = {**os.environ, "SPARK_HOME": spark_home(local=local)}
    # Java encodes file names as the locale says: with LC_ALL=C, `é` would become `?`.
    if locale.getencoding().upper().replace("-", "") != "UTF8":
        env["LC_ALL"] = "C.UTF-8"
    if local:
        # Java would look up the host's name, which need not resolve.
        env |= {"SPARK_LOCAL_IP": "127.0.0.1", "SPARK_LOCAL_HOSTNAME": "127.0.0.1"}
        # With keys, Spark looks up the name nevertheless.
        if "AWS_ACCESS_KEY_ID" in env and not resolves(socket.gethostname()):
            del env["AWS_ACCESS_KEY_ID"]
        env["PYTHONPATH"] = os.pathsep.join(workers_path())
        if sys.flags.ignore_environment:
            env.pop("PYTHONHOME", None)
    return env


def resolves(name: str) -> bool:
    """Whether a host name has an address."""
    try:
        return bool(socket.getaddrinfo(name, None))
    except (OSError, UnicodeError):
        return False


def withheld(env: Mapping[str, str]) -> dict[str, str]:
    """Variables that workers need, but that are not in the environment of the JVM."""
    name = "AWS_ACCESS_KEY_ID"
    return {name: os.environ[name]} if name in os.environ and name not in env else {}


def workers_path() -> list[str]:
    """PYTHONPATH of local workers: this package first, as they must use the same as the driver.

    Empty entries, which mean the working folder, are left out.
    """
    package = str(Path(__file__).resolve().parents[2])
    installed = package in map(os.path.realpath, [*site.getsitepackages(), *user_site()])
    given = "" if sys.flags.ignore_environment else os.environ.get("PYTHONPATH", "")
    return [
        *([] if installed else [package]),
        *map(os.path.abspath, filter(None, given.split(os.pathsep))),
    ]


def user_site() -> list[str]:
    # Without a home, there is no such folder.
    return [site.getusersitepackages()] if "HOME" in os.environ else []


def java_options(cache: str) -> str:
    """JVM options that replace a missing user, and a folder for temporary files that is unusable.

    Raises:
        FruitsError: no folder for temporary files is usable.
    """
    options = []
    if user_name() is None:  # Java would use "?" as the home
        home = os.environ.get("HOME") or tempfile.gettempdir()
        options += [f"-Duser.name={login_name()}", f'"-Duser.home={home}"']
    if (temp := java_temp(cache)) != "/tmp":  # noqa: S108  # Java's default
        Path(temp).mkdir(parents=True, exist_ok=True)
        if signals.are_handled():  # the JVM is killed and leaves its files
            with suppress(OSError):
                temp = signals.temporary_folder(temp)
        options.append(f'"-Djava.io.tmpdir={temp}"')
    return " ".join(options)


def java_temp(cache: str) -> str:
    """A folder where Java can unpack native libraries and load them: TMPDIR, or in the cache.

    Raises:
        FruitsError: neither is writable and mounted without `noexec`.
    """
    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError as error:
        raise FruitsError(
            f"no folder for temporary files is writable: set TMPDIR ({DOCTOR})"
        ) from error
    if is_executable(Path(folder)):
        return folder
    inside = cache_folder(cache).absolute() / "tmp"
    if is_writable(inside) and is_executable(inside):
        return str(inside)
    raise FruitsError(
        f"{folder} is mounted noexec, and Java can't load its libraries from {inside} either: "
        "set TMPDIR to another folder"
    )


def socket_folder(cache: str) -> str | None:
    """A new folder, which only this user can enter, for sockets between the JVM and its workers.

    None if the folder for temporary files has too long a path, or its file system has no sockets.

    Raises:
        FruitsError: as `java_temp`.
    """
    temp = java_temp(cache)
    if len(os.fsencode(temp)) + len("/fruits-0123456789ab") > _SOCKET_FOLDER:
        return None
    if signals.are_handled():
        folder = signals.temporary_folder(temp)
    else:
        folder = tempfile.mkdtemp(prefix="fruits-", dir=temp)
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    trial = Path(folder, ".trial")
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(trial))
    except OSError:
        return None
    trial.unlink()
    return folder


def existing(folder: Path) -> Path:
    """The folder, or its nearest parent that exists."""
    while not os.path.lexists(folder) and folder != folder.parent:
        folder = folder.parent
    return folder


def is_executable(folder: Path) -> bool:
    """Whether libraries can be loaded from the file system of a folder."""
    return not os.statvfs(existing(folder)).f_flag & os.ST_NOEXEC


def is_writable(folder: Path) -> bool:
    """Whether files can be written in a folder, or it can be created; leaves nothing there."""
    try:
        with tempfile.TemporaryFile(dir=existing(folder)):
            return True
    except OSError:
        return False


# Users ---------------------------------------------------------------------------------------


def user_name() -> str | None:
    """The name of the user, or None if this uid has no passwd entry."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return None


def login_name() -> str:
    """A name for Hadoop, for a uid without a passwd entry."""
    given = (os.environ.get(name) for name in ("HADOOP_USER_NAME", "USER", "LOGNAME"))
    return next((name for name in given if name and re.fullmatch(r"[\w.-]+", name)), None) or (
        f"uid{os.geteuid()}"
    )
