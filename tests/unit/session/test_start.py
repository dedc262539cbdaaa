import fcntl
from pathlib import Path

import pytest

from fruits.errors import FruitsError
from fruits.session import start


def test_only_one_session_fetches_jars_at_a_time(tmp_path: Path) -> None:
    ivy = tmp_path / "cache" / "ivy"
    with (
        start._fetching_jars_alone(str(ivy)),
        open(ivy / ".lock") as other,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with open(ivy / ".lock") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_unwritable_cache_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(
            FruitsError, match=r"can't store Spark's jars for S3 in .*: use another --cache"
        ),
        start._fetching_jars_alone(str(tmp_path / "file" / "ivy")),
    ):
        pass
