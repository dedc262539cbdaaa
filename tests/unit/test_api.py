"""The public API: what `import fruits` gives."""

import subprocess
import sys

import fruits


def test_every_public_name_is_there() -> None:
    for name in fruits.__all__:
        assert getattr(fruits, name)
    assert sorted(fruits.__all__) == fruits.__all__


def test_what_is_not_there_is_an_attribute_error() -> None:
    assert not hasattr(fruits, "nothing_of_this_name")


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import fruits, sys; print(sorted(m for m in sys.modules if m.startswith('fruits')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['fruits']\n"
