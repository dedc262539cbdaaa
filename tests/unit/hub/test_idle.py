"""What the Hub's home page says about when the cluster stops."""

import time
from pathlib import Path

import idle
import pytest


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        (None, ""),
        ("", ""),
        ("3600 0", "This cluster stops itself after 60 minutes in which nothing has run."),
        ("3600 AT", "it will stop in 20 minutes."),
    ],
)
def test_it_tells_when_the_cluster_stops(
    text: str | None, sentences: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle, "FILE", tmp_path / "stops-at")
    if text is not None:
        idle.FILE.write_text(text.replace("AT", f"{time.time() + 1199:.0f}"))

    said = idle.told(None)

    assert said.endswith(sentences)
    assert bool(said) == bool(sentences)
