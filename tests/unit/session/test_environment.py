"""What is used of the environment, what is replaced, and what is refused."""

import errno
import os
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import pyspark
import pytest
from ports import free_ports

from fruits.errors import FruitsError
from fruits.session import environment, modules

OLD = 'openjdk version "11.0.25" 2024-10-15\nOpenJDK Runtime Environment (build 11.0.25+9)\n'
OLDER = 'java version "1.8.0_432"\nJava(TM) SE Runtime Environment (build 1.8.0_432-b06)\n'
NEW = 'openjdk version "21.0.5" 2024-10-15 LTS\n'


def fake_java(home: Path, said: str, code: int = 0) -> Path:
    """A JAVA_HOME whose `java` prints this."""
    (home / "bin").mkdir(parents=True)
    java = home / "bin" / "java"
    (home / "said").write_text(said)
    java.write_text(f"#!/bin/sh\ncat {home}/said >&2\nexit {code}\n")
    java.chmod(0o755)
    return home


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        (OLD, 0, r"Java 11\.0\.25 \(.*\) is too old, Spark needs 17 or newer: install it"),
        (OLDER, 0, r"Java 1\.8\.0_432 \(.*\) is too old"),
        ("java: error while loading shared libraries\n", 127, r"does not work \(java: error while"),
        ("", 1, r"does not work \(exit code 1\): install it"),
        ("", 0, r"does not work \(exit code 0\)"),
    ],
)
def test_unusable_java_is_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, code: int, words: str
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path, said, code)))
    with pytest.raises(FruitsError, match=words):
        environment.check_java()


def test_the_variable_with_options_that_java_refuses_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "Picked up JAVA_TOOL_OPTIONS: -XX:+Nonsense\nUnrecognized VM option 'Nonsense'\n"
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path, said, 1)))
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-XX:+Nonsense")
    with pytest.raises(FruitsError, match=r"'Nonsense'.*: correct or unset JAVA_TOOL_OPTIONS$"):
        environment.check_java()


def test_version_is_found_after_other_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = fake_java(tmp_path, f"Picked up JAVA_TOOL_OPTIONS: -Da=b\n{NEW}")
    monkeypatch.setenv("JAVA_HOME", str(home))
    assert environment.check_java() == "21.0.5"


@pytest.mark.parametrize("home", ["nowhere", "."])
def test_java_home_without_java_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / home))
    with pytest.raises(FruitsError, match=f"not found in JAVA_HOME={tmp_path}"):
        environment.find_java()


def spark(home: Path, version: str) -> str:
    (home / "jars").mkdir(parents=True)
    (home / "jars" / f"spark-core_2.13-{version}.jar").touch()
    return str(home)


def test_spark_home_of_another_version_is_not_used_locally(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = pyspark.__path__[0]
    monkeypatch.delenv("SPARK_HOME", raising=False)
    assert environment.spark_home() == own
    monkeypatch.setenv("SPARK_HOME", spark(tmp_path / "same", pyspark.__version__))
    assert environment.spark_home() == str(tmp_path / "same")
    monkeypatch.setenv("SPARK_HOME", str(tmp_path / "vanished"))
    assert environment.spark_home() == environment.spark_home(local=False) == own
    monkeypatch.setenv("SPARK_HOME", spark(tmp_path / "other", "3.5.1"))
    assert environment.spark_home() == own
    with pytest.raises(FruitsError, match=r"other is not Spark .*: unset it"):
        environment.spark_home(local=False)


def test_submit_args_need_no_final_word(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("--conf 'a=b c'", "--conf 'a=b c' pyspark-shell"):
        monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", text)
        assert environment.submit_args() == ["--conf", "a=b c"]
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--conf 'a=b")
    with pytest.raises(FruitsError, match=r"PYSPARK_SUBMIT_ARGS=.*: correct or unset it"):
        environment.submit_args()


def test_master_is_the_one_given_then_of_submit_args_then_of_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PYSPARK_SUBMIT_ARGS", raising=False)
    monkeypatch.delenv("MASTER", raising=False)
    assert environment.master(None) == "local[*]"
    monkeypatch.setenv("MASTER", "local[3]")
    assert environment.master(None) == "local[3]"
    for args in ("--master spark://x:1 pyspark-shell", "--master=spark://x:1"):
        monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", args)
        assert environment.master(None) == "spark://x:1"
        assert environment.master("local[2]") == "local[2]"


def test_only_a_gateway_that_answers_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSPARK_GATEWAY_SECRET", "secret")
    for port in ("", "x", "99999999", str(free_ports(1)[0])):
        monkeypatch.setenv("PYSPARK_GATEWAY_PORT", port)
        assert not environment.has_gateway()
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("PYSPARK_GATEWAY_PORT", str(server.getsockname()[1]))
        assert environment.has_gateway()
        monkeypatch.delenv("PYSPARK_GATEWAY_SECRET")
        assert not environment.has_gateway()


@pytest.mark.parametrize(
    ("given", "expected"),
    [("C", "C.UTF-8"), ("xx_XX.ISO-8859-1", "C.UTF-8"), ("C.UTF-8", "C.UTF-8"), ("", "")],
)
def test_java_gets_a_locale_with_utf8(given: str, expected: str) -> None:
    code = (
        "from fruits.session.environment import for_java\n"
        "print(for_java(local=True).get('LC_ALL', ''))"
    )
    env = {**os.environ, "LC_ALL": given, "LANG": "C.UTF-8"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True)
    assert done.stdout.decode().strip() == expected


def test_the_working_folder_is_not_in_the_path_of_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", ":/x::/y:")
    assert environment.workers_path()[-2:] == ["/x", "/y"]
    assert "" not in environment.workers_path()


def test_local_dirs_that_are_not_writable_are_named(
    as_nobody: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARK_LOCAL_DIRS", f"/proc/nowhere,{as_nobody}")
    environment.check_local_dirs()
    monkeypatch.setenv("SPARK_LOCAL_DIRS", "/proc/nowhere")
    with pytest.raises(FruitsError, match="SPARK_LOCAL_DIRS=/proc/nowhere can't be written to"):
        environment.check_local_dirs()


def test_java_does_not_unpack_libraries_where_they_cant_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = ["unshare", "--mount", "sh", "-c", f"mount -t tmpfs -o noexec none {tmp_path} && $0"]
    if subprocess.run([*mounted, "true"], capture_output=True, check=False).returncode:
        pytest.skip("mounting needs root")
    cache = tmp_path.parent / f"{tmp_path.name}-cache"
    code = f"from fruits.session.environment import java_temp; print(java_temp('{cache}'))"
    mounted[-1] = mounted[-1].replace("$0", '"$0" -c "$1"')
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [*mounted, sys.executable, code], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(cache / "tmp")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert environment.java_temp(str(cache)) == str(tmp_path)


def test_files_named_as_modules_are_found(tmp_path: Path) -> None:
    for name in ("calendar.py", "numpy.py", "apples.py", "random.txt"):
        (tmp_path / name).touch()
    (tmp_path / "pyspark").mkdir()
    (tmp_path / "pyspark" / "__init__.py").touch()
    (tmp_path / "json").mkdir()  # without modules, so not a package
    assert modules.shadowing_files(tmp_path) == ["calendar.py", "numpy.py", "pyspark"]
    assert modules.shadowing_files(tmp_path / "nowhere") == []


@pytest.mark.parametrize("keys", [False, True])
def test_the_name_of_the_host_is_only_looked_up_for_keys(
    monkeypatch: pytest.MonkeyPatch, keys: bool
) -> None:
    asked = []

    def refuse(name: str, _: None) -> list[str]:
        asked.append(name)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    if keys:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    env = environment.for_java(local=True)
    assert "AWS_ACCESS_KEY_ID" not in env
    assert asked == ([socket.gethostname()] if keys else [])


def test_sockets_are_in_a_folder_that_only_this_user_can_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temp = tmp_path / "t"
    temp.mkdir()
    short = Path(f"/tmp/s{os.getpid()}")  # noqa: S108 (pytest's own has a long path)
    short.symlink_to(temp)
    try:
        monkeypatch.setattr(environment, "java_temp", lambda _: str(short))
        folder = environment.socket_folder("cache")
        assert folder is not None
        assert Path(folder).parent == short
        assert Path(folder).stat().st_mode & 0o777 == 0o700
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(f"{folder}/.{uuid.uuid4()}.sock")
    finally:
        short.unlink()


def test_file_systems_without_sockets_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused(socket.socket):
        def bind(self, address: object, /) -> None:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(environment, "java_temp", lambda _: "/tmp")  # noqa: S108
    monkeypatch.setattr(socket, "socket", Refused)
    assert environment.socket_folder("cache") is None


def test_paths_that_are_too_long_for_sockets_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "java_temp", lambda _: "/somewhere" * 6)
    assert environment.socket_folder("cache") is None
