"""Who may write to a results folder: nobody where a file of the user's would be lost, and one run
at a time."""

import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from command import in_session, refused

from fruits.errors import FruitsError, ResultsError
from fruits.results.manifest import Manifest
from fruits.results.store import REPLACED
from fruits.results.writing import locked, writing
from fruits.storage import open_folder
from fruits.storage.local import LocalFolder


@pytest.fixture(params=["a disk", "S3"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "S3":
        return f"s3://{request.getfixturevalue('s3')}/results"
    return str(tmp_path / "results")


# Files of the user's --------------------------------------------------------------------------


@pytest.mark.parametrize("name", REPLACED)
def test_a_first_run_replaces_no_file_of_the_users(address: str, name: str) -> None:
    folder = open_folder(address)
    folder.write(name, b"path,label\n1.jpg,Kiwi\n")
    words = f"has a {name}, but no results: a run would replace it; use another results folder"
    with pytest.raises(ResultsError, match=words), writing(address, create=True):
        pytest.fail("the run has begun")
    assert folder.names("") == [name]
    assert folder.read(name) == b"path,label\n1.jpg,Kiwi\n"


def test_a_folder_of_that_name_is_the_users_too(address: str) -> None:
    open_folder(address).write("results.csv/mine.csv", b"x")
    with pytest.raises(ResultsError, match=r"has a results\.csv"), writing(address, create=True):
        pytest.fail("the run has begun")


@pytest.mark.parametrize("verb", ["run", "featurize"])
def test_the_command_refuses_before_it_starts_spark(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "1.jpg").write_bytes(b"x")
    (tmp_path / "results.csv").write_text("path,label\n1.jpg,Kiwi\n")
    done = in_session(capsys, verb, str(tmp_path), str(tmp_path))
    assert "has a results.csv, but no results" in refused(done)
    assert "Spark" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.jpg", "results.csv"]


def test_other_files_of_the_users_are_left_as_they_are(address: str) -> None:
    """Photos may be in the folder of the results; so may what a killed first run has staged."""
    folder = open_folder(address)
    for name in ("1.jpg", ".lock", ".results.csv.0123abcd", "results.csv.bak"):
        folder.write(name, b"x")
    with writing(address, create=True) as store:
        store.commit(
            Manifest(
                photos="p", features=[], rejects=[], model={}, engine="openvino",
                precision="float32", csv="results.csv",
            ),
            b"path,label\n",
        )  # fmt: skip
    assert folder.names("") == [".lock", "1.jpg", "manifest.json", "results.csv", "results.csv.bak"]
    assert folder.read(".lock") == b"x"
    with writing(address, create=True) as store:
        assert store.current().csv == "results.csv"


# One run at a time ----------------------------------------------------------------------------


def test_a_refused_first_run_leaves_the_folder_to_the_other_one(tmp_path: Path) -> None:
    place = tmp_path / "results"
    other = ExitStack()

    class Late(LocalFolder):
        """Between a look at it and the lock, another run starts."""

        def check_writable(self) -> None:
            other.enter_context(locked(open_folder(place)))

    with other:
        for folder in (Late(str(place)), open_folder(place)):
            with pytest.raises(ResultsError, match="another run is writing"), locked(folder):
                pytest.fail("two runs have the lock")
        assert (place / ".lock").exists()
    assert not place.exists()


def test_first_runs_that_fail_never_let_two_others_in(tmp_path: Path) -> None:
    """Each removes the folder, with its lock, unless something was written."""
    folder = open_folder(tmp_path / "results")
    inside, most, others = 0, 0, set()
    counting = threading.Lock()
    end = time.monotonic() + 1

    def try_again() -> None:
        nonlocal inside, most
        while time.monotonic() < end:
            try:
                with locked(folder):
                    with counting:
                        inside += 1
                        most = max(most, inside)
                    time.sleep(0.0005)
                    with counting:
                        inside -= 1
            except FruitsError:
                time.sleep(0.0001)
            except Exception as error:
                others.add(repr(error))

    threads = [threading.Thread(target=try_again) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, others) == (1, set())


def test_a_failed_first_run_leaves_no_folder_but_what_was_written(tmp_path: Path) -> None:
    folder = open_folder(tmp_path / "results")
    with locked(folder):
        (tmp_path / "results" / "features").mkdir()
    assert not (tmp_path / "results").exists()
    with locked(folder):
        folder.write("features/1.parquet", b"x")
    assert folder.names("features") == ["1.parquet"]
