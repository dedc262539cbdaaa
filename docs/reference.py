"""Writes the tables of reference.md from the code: python docs/reference.py"""

import re
from collections.abc import Callable
from pathlib import Path

import click

from fruits.cli.main import VERBS, cli
from fruits.settings import Settings, options

REFERENCE = Path(__file__).with_name("reference.md")


def commands() -> str:
    """Each command with its arguments."""
    rows = ["| command | what it does |", "|---|---|"]
    for name, text in VERBS.items():
        arguments = (p for p in _command(name).params if isinstance(p, click.Argument))
        usage = " ".join(["fruits", name, *(_shown(argument) for argument in arguments)])
        rows.append(f"| `{usage}` | {text} |")
    return "\n".join(rows)


def settings() -> str:
    """Each setting with its default and the commands that have a flag for it."""
    rows = ["| flag | default | commands | meaning |", "|---|---|---|---|"]
    for name, option in options().items():
        default = getattr(Settings, name, None)
        flag = f"--{name.replace('_', '-')}"
        verbs = [v for v in VERBS if any(flag in p.opts for p in _command(v).params)]
        shown = "" if default is None else f"`{default}`"
        rows.append(f"| `{flag}` | {shown} | {', '.join(verbs)} | {option.help} |")
    return "\n".join(rows)


def flags() -> str:
    """The flags that are no settings."""
    rows = ["| command | flag | meaning |", "|---|---|---|"]
    known = {f"--{name.replace('_', '-')}" for name in options()} | {"--config"}
    for verb in VERBS:
        for parameter in _command(verb).params:
            if isinstance(parameter, click.Option) and not known & set(parameter.opts):
                name = " ".join(filter(None, [parameter.opts[0], _value(parameter)]))
                rows.append(f"| {verb} | `{name}` | {parameter.help} |")
    return "\n".join(rows)


TABLES: dict[str, Callable[[], str]] = {
    "commands": commands,
    "flags": flags,
    "settings": settings,
}


def rendered(text: str) -> str:
    """reference.md with its tables as the code has them."""
    for name, table in TABLES.items():
        block = re.compile(f"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, count = block.subn(
            lambda match, table=table: match[1] + table() + "\n" + match[2], text
        )
        if count != 1:
            raise ValueError(f"reference.md has {count} blocks for the table {name}")
    return text


def _command(name: str) -> click.Command:
    command = cli.get_command(click.Context(cli), name)
    if command is None:
        raise ValueError(name)
    return command


def _shown(argument: click.Argument) -> str:
    return (argument.metavar or str(argument.name).upper()).replace("|", " or ") + (
        "" if argument.required else "?"
    )


def _value(option: click.Option) -> str:
    if option.is_flag:
        return ""
    if isinstance(option.type, click.Choice):
        return "\\|".join(option.type.choices)
    return option.metavar or ""


if __name__ == "__main__":
    REFERENCE.write_text(rendered(REFERENCE.read_text("utf-8")), "utf-8")
