"""The page's server without a Hub or a classifier: its messages and languages."""

from pathlib import Path

import pytest
from serving import Ada, Nobody, ask, serving

from fruits.web.app import preferred_language
from fruits.web.texts import TEXTS


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("", "en"), ("de", "en"), ("fr", "fr"), ("en;q=0.3, fr;q=0.2", "en"), ("fr;q=x, en", "en")],
)
def test_preferred_language(accepted: str, language: str) -> None:
    assert preferred_language(accepted) == language


def test_both_languages_have_the_same_texts() -> None:
    assert set(TEXTS["en"]) == set(TEXTS["fr"])


def test_anonymous_request_is_forbidden() -> None:
    for site in serving(Nobody, {"team": "/nowhere"}):
        assert ask(f"{site}predict/team", b"photo")[0] == 403


def test_without_a_classifier_the_page_says_how_to_train(tmp_path: Path) -> None:
    for site in serving(Ada, {"mine": str(tmp_path / "nothing")}):
        _, page = ask(site)
        assert "train.ipynb" in page
        assert 'id="choose"' not in page


def test_unreadable_results_are_not_reported_as_untrained(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("damaged")
    for site in serving(Ada, {"mine": str(tmp_path)}):
        _, page = ask(site)
        assert TEXTS["en"]["trouble"] in page
        assert "train.ipynb" not in page
