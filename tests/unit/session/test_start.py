import fcntl
from pathlib import Path

import pytest

from fruits.errors import FruitsError
from fruits.session import start


def test_sessions_fetch_jars_one_after_the_other(tmp_path: Path) -> None:
    ivy = tmp_path / "cache" / "ivy"
    with (
        start._fetching_jars_alone(str(ivy)),
        open(ivy / ".lock") as other,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with open(ivy / ".lock") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_cache_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(
            FruitsError, match=r"can't store Spark's jars for S3 in .*: use another --cache"
        ),
        start._fetching_jars_alone(str(tmp_path / "file" / "ivy")),
    ):
        pass
