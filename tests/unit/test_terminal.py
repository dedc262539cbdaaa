"""Untrusted photo names can't control the terminal."""

import pytest

from fruits.terminal import printable


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("\x1b]0;owned\x07kiwi.jpg", r"\x1b]0;owned\x07kiwi.jpg"),
        ("\x9b31mred", r"\x9b31mred"),
        ("one\nfruits: another line", r"one\nfruits: another line"),
        ("over\rwritten", r"over\rwritten"),
        ("\u202egpj.iwik", r"\u202egpj.iwik"),
        ("lone \udce9", r"lone \udce9"),
    ],
)
def test_control_characters_are_escaped(line: str, shown: str) -> None:
    assert printable(line) == shown


@pytest.mark.parametrize("line", ["Élan d'été #1/photo 100 %.jpg", "キウイ", "🥝", r"[red]\[/red]"])
def test_plain_text_is_unchanged(line: str) -> None:
    assert printable(line) == line
