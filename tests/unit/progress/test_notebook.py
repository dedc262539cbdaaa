"""In a notebook, each step is one bar that is updated in place."""

import io
import sys
import time
from types import ModuleType
from typing import Any

import pytest

from fruits.progress import Progress, steps

Bundle = dict[str, str]


class Kernel(io.StringIO):
    """The standard output of a kernel, as far as `Progress` knows it."""

    __module__ = "ipykernel.iostream"


class Shown:
    """A display in a notebook: all that it has shown."""

    def __init__(self, first: Bundle) -> None:
        self.states = [first]

    def update(self, bundle: Bundle, *, raw: bool) -> None:
        assert raw
        self.states.append(bundle)


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> list[Shown]:
    """What is displayed by IPython, which is not installed with this package."""
    displays: list[Shown] = []

    def display(bundle: Bundle, *, raw: bool, display_id: bool) -> Shown:
        assert raw
        assert display_id
        displays.append(Shown(bundle))
        return displays[-1]

    module: Any = ModuleType("IPython.display")
    module.display = display
    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    monkeypatch.setattr(steps, "_POLL_S", 0.005)
    return displays


def test_each_step_is_one_bar_that_moves(notebook: list[Shown]) -> None:
    stream = Kernel()
    shown = Progress(stream)
    with shown.step("list"):
        pass
    with shown.step("featurize", 12) as count:
        for _ in range(6):
            count.add()
            time.sleep(0.05)
    shown.say("a line")
    assert stream.getvalue() == "a line\n"
    listed, featurized = notebook
    assert listed.states[-1]["text/plain"].startswith("✓ list")
    assert "<progress" not in listed.states[-1]["text/html"]
    texts = [state["text/plain"] for state in featurized.states]
    assert texts[0].startswith("… featurize   0/12 photos")
    assert any("3/12 photos" in text for text in texts)
    assert texts[-1].startswith("✓ featurize   12/12 photos · ")
    assert '<progress value="12" max="12">' in featurized.states[-1]["text/html"]


def test_a_failed_step_is_marked(notebook: list[Shown]) -> None:
    with pytest.raises(KeyboardInterrupt), Progress(Kernel()).step("list", 10) as count:
        count.add(3)
        time.sleep(0.1)
        raise KeyboardInterrupt
    (shown,) = notebook
    assert shown.states[-1]["text/plain"].startswith("✗ list        3/10 photos")


def test_names_are_text(notebook: list[Shown]) -> None:
    with Progress(Kernel()).step("<b>", 2, "<i>"):
        pass
    (shown,) = notebook
    assert "<b>" not in shown.states[-1]["text/html"]
    assert "<i>" not in shown.states[-1]["text/html"]


def test_a_real_kernel_shows_bars() -> None:
    nbclient = pytest.importorskip("nbclient", reason="run `make .venv/dev`")
    from nbformat import v4

    source = (
        "from fruits.progress import Progress\n"
        "with Progress().step('featurize', 12) as count:\n"
        "    count.add(12)\n"
    )
    notebook = v4.new_notebook(cells=[v4.new_code_cell(source)])
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    (shown,) = notebook.cells[0]["outputs"]
    assert shown["output_type"] == "display_data"
    assert shown["data"]["text/plain"].startswith("✓ featurize   12/12 photos")
