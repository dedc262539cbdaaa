"""The public API: what `import fruits` gives."""

import subprocess
import sys

import fruits


def test_public_names_exist() -> None:
    for name in fruits.__all__:
        assert getattr(fruits, name)
    assert sorted(fruits.__all__) == fruits.__all__


def test_unknown_name_raises_attribute_error() -> None:
    assert not hasattr(fruits, "nothing_of_this_name")


def test_importing_the_package_imports_no_submodules() -> None:
    code = "import fruits, sys; print(sorted(m for m in sys.modules if m.startswith('fruits')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['fruits']\n"
