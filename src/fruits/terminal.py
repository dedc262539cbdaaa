"""What the `fruits` command prints. Names of photos and labels are a stranger's text: in a terminal
it is shown, and does nothing."""

import sys
import unicodedata
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Table

# Overrides and isolates of the direction of writing (UAX #9): they make a name read as another.
_DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")  # controls, lone surrogates, ends of lines and paragraphs


def printable(line: str) -> str:
    r"""The line with a visible escape (`\x1b`) for each character that would act on a terminal."""
    return "".join(
        c.encode("unicode_escape").decode("ascii")
        if c in _DIRECTION or unicodedata.category(c) in _UNPRINTABLE
        else c
        for c in line
    )


def echo(line: str, *, err: bool = False) -> None:
    """Prints one line."""
    click.echo(printable(line), err=err)


def echo_table(table: "Table") -> None:
    """Prints a table of text, which is no markup."""
    from rich.console import Console

    Console(file=sys.stdout, highlight=False, markup=False).print(table)
