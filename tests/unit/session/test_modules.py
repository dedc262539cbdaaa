"""Which file is blamed where a module can't be imported."""

import os
import runpy
from pathlib import Path

from command import FRUITS, refused
from command import fruits as fruits_command

from fruits.session.modules import shadowing_modules


def raised_by(file: Path) -> BaseException:
    file.write_text("raise ImportError('missing')")
    try:
        runpy.run_path(str(file))
    except ImportError as error:
        return error
    raise AssertionError("nothing was raised")


def test_the_command_itself_is_not_blamed(tmp_path: Path) -> None:
    (tmp_path / "pi_heif.py").write_text("raise ImportError('libheif is missing')")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    message = refused(fruits_command("predict", "results", "a.jpg", PYTHONPATH=path))
    assert FRUITS not in message
    assert "a package is missing or damaged (libheif is missing)" in message


def test_scripts_are_not_blamed_but_modules_are(tmp_path: Path) -> None:
    for name in ("fruits", "numpy"):
        assert shadowing_modules(raised_by(tmp_path / name)) == []
    module = tmp_path / "numpy.py"
    assert shadowing_modules(raised_by(module)) == [str(module)]
