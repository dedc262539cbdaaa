"""The messages and exit codes of the `fruits` command."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from command import fruits, refused
from places import SAMPLES

from fruits import __version__
from fruits.cli.main import VERBS


def unwrapped(text: str) -> str:
    """Join wrapped lines, also those broken after a hyphen."""
    return re.sub(r"-\s+", "-", " ".join(text.split()))


def test_version_is_that_of_the_package() -> None:
    assert fruits("--version").stdout == f"fruits {__version__}\n"


def test_help_lists_every_verb() -> None:
    listed = unwrapped(fruits("--help").stdout)
    assert all(f" {verb} {words}" in listed for verb, words in VERBS.items())


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    done = fruits(verb, "--help")
    assert done.returncode == 0
    assert f"  fruits {verb}" in done.stdout.partition("Example:")[2]
    assert VERBS[verb] in unwrapped(done.stdout)


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from fruits.cli.main import cli\n"
        "try: cli(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'pyarrow', 'pyspark', 'boto3', 'openvino', 'tensorflow', 'rich'}\n"
        "sys.exit(' '.join(heavy & sys.modules.keys()) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


NOWHERE = "nowhere-at-all"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["run", NOWHERE, "{out}", "--frobnicate"], "No such option '--frobnicate'"),
        (["run", NOWHERE], "Missing argument 'RESULTS'"),
        (["peel"], "No such command 'peel'"),
        (
            ["run", NOWHERE, "{out}", "--variance", "1.5"],
            "--variance must be more than 0 and at most 1, not 1.5",
        ),
        (
            ["run", NOWHERE, "{out}", "--components", "few"],
            "--components must be a whole number, not 'few'",
        ),
        (["run", NOWHERE, "{out}", "--engine", "steam"], "one of openvino, tensorflow"),
        (["run", NOWHERE, "{out}", "--config", "no.toml"], "can't read the settings file no.toml"),
        (["report", "{out}"], "run `fruits run PHOTOS"),
        (["erase", "{out}", "a.jpg"], "there are no results in"),
        (["run", NOWHERE, "ftp://host/x"], "use a folder, or s3://BUCKET/PREFIX"),
        (["run", NOWHERE, "{out}"], "there is no folder"),
        (["weights", NOWHERE], "there is no weights file nowhere-at-all"),
    ],
)
def test_user_error_is_one_line_that_says_what_to_do(
    tmp_path: Path, args: Sequence[str], words: str
) -> None:
    out = tmp_path / "out"
    done = fruits(*(arg.format(out=out) for arg in args))
    assert words in refused(done)
    assert not out.exists()


def test_error_for_missing_java_names_the_package(tmp_path: Path) -> None:
    done = fruits("run", str(SAMPLES), str(tmp_path / "out"), JAVA_HOME=str(tmp_path))
    assert "apt install default-jre-headless" in refused(done)


def test_old_name_of_a_verb_works_and_mentions_the_new_one(tmp_path: Path) -> None:
    done = fruits("reduce", str(tmp_path))
    assert done.stderr.startswith("`fruits reduce` is now called `fruits pca`.\n")
    assert "there are no results in" in done.stderr
