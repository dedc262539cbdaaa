"""The stages of the images that copy a part of the package copy all that they import."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "images" / "base" / "Dockerfile").read_text().replace("\\\n", " ")
STAGES = {
    "jars": "import jars",
    "export": "import export_model, fruits.model.export_process",
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_copies_all_that_it_imports(stage: str, tmp_path: Path) -> None:
    (lines,) = re.findall(rf"^FROM \w+ AS {stage}\n(.*?)(?=^FROM|\Z)", DOCKERFILE, re.M | re.S)
    for copied in re.findall(r"^COPY (?!--)(.+)$", lines, re.MULTILINE):
        *sources, target = copied.split()
        for name in sources:
            source, to = ROOT / name, tmp_path / target
            if source.is_dir():
                shutil.copytree(source, to)
            else:
                to.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, to)
    done = subprocess.run(
        [sys.executable, "-P", "-c", STAGES[stage]],
        env={"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
