"""Notebooks in git are valid Python and have no outputs, hence no photos."""

import ast
import json
import re
from pathlib import Path

import pytest
from places import ROOT

import fruits
from fruits import notebook

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_all_notebooks_exist() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["explore", "pipeline", "train"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_cells_are_short_and_have_no_output(path: Path) -> None:
    code = [c for c in json.loads(path.read_text("utf-8"))["cells"] if c["cell_type"] == "code"]
    assert code
    for cell in code:
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
        assert len(cell["source"]) <= 12
        compile("".join(cell["source"]), path.name, "exec")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_name_no_place_of_a_machine(path: Path) -> None:
    """Addresses come from `notebook.places`, so that notebooks run in the Hub and in a clone."""
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        source = "".join(cell["source"])
        assert not re.search(r"[\"'](/|~|\.\.?/)\w", source)
        if cell["cell_type"] == "code":
            assert not re.search(r"s3a?://", source)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_use_public_names_only(path: Path) -> None:
    cells = json.loads(path.read_text("utf-8"))["cells"]
    code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    public = {"fruits": {*fruits.__all__, "notebook"}, "notebook": set(notebook.__all__)}
    used = 0
    for node in ast.walk(ast.parse(code)):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and (names := public.get(node.value.id))
        ):
            assert node.attr in names
            used += 1
    assert used >= 5
