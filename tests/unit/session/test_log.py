"""Where the log of Spark is, if the cache can't be written."""

from pathlib import Path

import pytest

from fruits.session.log import empty, opened


def test_the_log_is_in_the_default_cache_if_the_given_one_is_not_writable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    log = tmp_path / "fruits" / "spark.log"
    with opened("/proc/nowhere") as file:
        file.write(b"a traceback")
    assert log.read_bytes() == b"a traceback"
    assert log.stat().st_mode & 0o777 == 0o600
    log.with_name("spark.log.1").write_text("an older one")
    empty("/proc/nowhere")
    assert {path.name: path.read_bytes() for path in log.parent.iterdir()} == {"spark.log": b""}


def test_a_cache_that_has_become_writable_is_used_and_both_are_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    given, default = tmp_path / "given" / "spark.log", tmp_path / "fruits" / "spark.log"
    for cache in ("/proc/nowhere", str(given.parent)):
        with opened(cache) as file:
            file.write(b"a traceback")
    assert given.read_bytes() == default.read_bytes() == b"a traceback"
    empty(str(given.parent))
    assert given.read_bytes() == default.read_bytes() == b""


def test_without_a_writable_cache_the_start_can_still_be_explained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    with opened("/proc/nowhere") as file:
        file.write(b"why")
        file.seek(0)
        assert file.read() == b"why"
    empty("/proc/nowhere")
