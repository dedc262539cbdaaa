import fcntl
from pathlib import Path

import pytest

from fruits import session


def test_sessions_fetch_jars_one_after_the_other(tmp_path: Path) -> None:
    ivy = tmp_path / "cache" / "ivy"
    with (
        session._fetching_jars_alone(str(ivy)),
        open(ivy / ".lock") as other,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with open(ivy / ".lock") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
