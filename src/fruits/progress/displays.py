"""How a step is shown: live on a terminal, as a bar in a notebook, as plain lines elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, TextIO

from fruits.progress.pace import State, duration
from fruits.terminal import printable

if TYPE_CHECKING:
    from rich.progress import Task

Show = Callable[[State], None]
_PLAIN_EVERY_S = 10  # interval between plain lines of a step


def display_for(stream: TextIO) -> Callable[[State], AbstractContextManager[Show]]:
    """The display of a step for a stream: a context, given the first state, that shows others."""
    if type(stream).__module__.startswith("ipykernel."):
        return _notebook
    shown = _terminal if stream.isatty() else _lines
    return lambda state: shown(stream, state)


def finished(first: State, state: State) -> State:
    """The state of a step that has ended: all is done, at the speed of the whole step."""
    done = state.total or state.done
    is_whole = first.total and first.total == state.total
    speed = done / state.elapsed_s if is_whole and state.elapsed_s else None
    return replace(state, done=done, speed=speed, left_s=None)


# Plain lines ---------------------------------------------------------------------------------


@contextmanager
def _lines(stream: TextIO, state: State) -> Iterator[Show]:
    def say(line: str) -> None:
        print(printable(line), file=stream, flush=True)

    say(f"{state.name}: {state.total} {state.unit}" if state.total else f"{state.name} …")
    due = 0.0  # a count is printed as soon as there is one

    def show(new: State) -> None:
        nonlocal state, due
        state = new
        if state.elapsed_s >= (due if state.done else max(due, _PLAIN_EVERY_S)):
            due = state.elapsed_s + _PLAIN_EVERY_S
            said = ", ".join(state.parts()) or f"{duration(state.elapsed_s)} so far"
            say(f"{state.name}: {said}")

    yield show
    say(f"{state.name}: done in {state.elapsed_s:.1f} s")


# A terminal ----------------------------------------------------------------------------------


@contextmanager
def _terminal(stream: TextIO, state: State) -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import ProgressColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    first = state
    console = Console(file=stream)
    width = max(8, min(40, console.width - 64))

    class Bar(ProgressColumn):
        def render(self, task: "Task") -> ProgressBar | Text:
            state = task.fields["state"]
            return ProgressBar(state.total, state.done, width) if state.total else Text("")

    def column(what: str, style: str) -> TextColumn:
        return TextColumn(f"{{task.fields[state].{what}}}", style=style, markup=False)

    columns = [
        SpinnerColumn(finished_text="✓"),
        TextColumn(f"{state.name:<10}", markup=False),
        Bar(),
        column("counted", "progress.download"),
        column("pace", ""),
        column("left", "progress.remaining"),
        TimeElapsedColumn(),
    ]
    with Bars(*columns, console=console) as bars:
        # A step whose count is complete goes on until it ends, so rich doesn't get the count.
        task = bars.add_task("", total=1, state=state)

        def show(new: State) -> None:
            nonlocal state
            state = new
            bars.update(task, state=new)

        yield show
        bars.update(task, completed=1, state=finished(first, state))


# A notebook ----------------------------------------------------------------------------------


@contextmanager
def _notebook(state: State) -> Iterator[Show]:
    from IPython.display import display

    first = state
    shown = display(_bundle(state, "…"), raw=True, display_id=True)

    def show(new: State) -> None:
        nonlocal state
        state = new
        shown.update(_bundle(state, "…"), raw=True)

    try:
        yield show
    except BaseException:
        shown.update(_bundle(state, "✗"), raw=True)
        raise
    shown.update(_bundle(finished(first, state), "✓"), raw=True)


def _bundle(state: State, mark: str) -> dict[str, str]:
    """The representations of a step for notebooks: HTML, and text for what shows no HTML."""
    parts = state.parts()
    if not state.left:
        parts.append(f"{state.elapsed_s:.1f} s" if mark == "✓" else duration(state.elapsed_s))
    words = " · ".join(parts)
    bar = ""
    if state.total:
        bar = f'<progress value="{state.done}" max="{state.total}"></progress> '
    return {
        "text/html": (
            '<div style="font-family: var(--jp-code-font-family, monospace); '
            'white-space: pre-wrap; font-variant-numeric: tabular-nums">'
            f"{mark} {escape(f'{state.name:<11}')} {bar}{escape(words)}</div>"
        ),
        "text/plain": f"{mark} {state.name:<11} {words}",
    }
