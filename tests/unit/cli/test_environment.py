"""The command in environments where Python itself is hindered."""

import os
import subprocess
from pathlib import Path

import pytest
from command import FRUITS, fruits, refused
from places import SAMPLES

from fruits import __file__ as package_file
from fruits.errors import SettingsError, WeightsError
from fruits.model import weights
from fruits.model.load import load_model
from fruits.settings import cache_folder

PACKAGE = str(Path(package_file).parents[1])


def test_a_package_of_another_python_is_named(tmp_path: Path) -> None:
    (tmp_path / "numpy").mkdir()
    (tmp_path / "numpy" / "__init__.py").write_text("raise ImportError('built for Python 3.8')")
    path = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    message = refused(fruits("run", str(SAMPLES), str(tmp_path / "out"), PYTHONPATH=path))
    assert f"{tmp_path}/numpy/__init__.py is imported in place of the module" in message
    assert "built for Python 3.8" in message


def test_modules_of_the_working_folder_are_not_imported(tmp_path: Path) -> None:
    for name in ("calendar", "random", "click"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('mine')")
    done = subprocess.run(
        [FRUITS, "weights", "nowhere"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f":{PACKAGE}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "there is no weights file nowhere" in refused(done)


@pytest.mark.parametrize(
    "variables",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "ascii"},
    ],
)
def test_names_with_accents_work_in_any_locale(tmp_path: Path, variables: dict[str, str]) -> None:
    done = fruits("report", str(tmp_path / "résultats 苹果"), **variables)
    assert f"there are no results in {tmp_path}/résultats 苹果" in refused(done)


def test_cache_without_a_home_is_refused_when_it_is_used() -> None:
    with pytest.raises(SettingsError, match=r"no home folder .* --cache or FRUITS_CACHE"):
        cache_folder("~no-such-user/.cache/fruits")


@pytest.mark.parametrize("cache", ["{file}", "{file}/cache", "/proc/nowhere"])
def test_unusable_cache_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: str
) -> None:
    (tmp_path / "imagenet.h5").write_bytes(b"\x89HDF and weights")
    monkeypatch.setattr(weights, "IMAGENET_URL", (tmp_path / "imagenet.h5").as_uri())
    (tmp_path / "file").write_text("in the way")
    cache = cache.format(file=tmp_path / "file")
    with pytest.raises(
        WeightsError, match=f"can't write {cache}/.*: pass another folder with --cache"
    ):
        load_model("imagenet", cache, say=lambda _: None)
