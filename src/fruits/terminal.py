"""Safe output of the `fruits` command.

Paths and labels are untrusted text, so control characters are escaped before printing.
"""

import io
import os
import sys
import unicodedata
from typing import TYPE_CHECKING

import click

from fruits.errors import FruitsError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from rich.table import Table

# Bidirectional overrides and isolates (UAX #9), which can disguise a name as another.
_DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")  # controls, lone surrogates, line and paragraph separators


def printable(line: str) -> str:
    r"""The line with terminal control characters replaced by visible escapes, such as `\x1b`."""
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
    """Prints a table, without interpreting its text as markup."""
    from rich.console import Console

    Console(file=sys.stdout, highlight=False, markup=False).print(table)


def use_utf8() -> None:
    """Makes this process use UTF-8 for names of files, and never fail to print a character.

    Python does so by itself in most locales. In the others, or with PYTHONUTF8=0, the names of
    files could be neither sent to Spark nor stored, so the process is replaced by one that does.
    """
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        command = [sys.executable, *sys.orig_argv[1:]]
        os.execve(sys.executable, command, {**os.environ, "PYTHONUTF8": "1"})  # noqa: S606
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class OutputClosed(BrokenPipeError):
    """Nobody reads the output any more, as with `| head`."""


class _Output(io.FileIO):
    """A standard stream. Raises a FruitsError if it can't be written, as on a full disk."""

    def write(self, data: "ReadableBuffer") -> int:
        try:
            return super().write(data)
        except BrokenPipeError as error:
            raise OutputClosed(*error.args) from None
        except OSError as error:
            raise FruitsError(f"can't write the output: {error.strerror}") from None


def open_streams() -> None:
    """Opens the standard streams of the command, for errors that the command can tell apart.

    Output to a stream that was closed (`>&-`) is discarded. Otherwise, the next file to be opened
    would get the number of the stream, and what Java prints.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            os.set_inheritable(number, True)
            setattr(sys, name, open(number, "w" if number else "r"))  # noqa: SIM115
        elif number:
            former = getattr(sys, name)
            stream = io.TextIOWrapper(
                io.BufferedWriter(_Output(number, "w", closefd=False)),
                encoding=former.encoding,
                errors=former.errors,
                line_buffering=former.line_buffering or former.write_through or number == 2,
            )
            setattr(sys, name, stream)
