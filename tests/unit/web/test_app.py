"""The page's server without a Hub or a classifier: its messages and languages."""

import re
from pathlib import Path

import pytest
from serving import Ada, Nobody, ask, serving

from fruits.web.app import preferred_language, varied
from fruits.web.predictors import worth_showing
from fruits.web.texts import TEXTS


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("", "en"), ("de", "en"), ("fr", "fr"), ("en;q=0.3, fr;q=0.2", "en"), ("fr;q=x, en", "en")],
)
def test_preferred_language(accepted: str, language: str) -> None:
    assert preferred_language(accepted) == language


def test_both_languages_have_the_same_texts() -> None:
    assert set(TEXTS["en"]) == set(TEXTS["fr"])


def test_french_lines_do_not_begin_with_a_mark() -> None:
    assert not [text for text in TEXTS["fr"].values() if re.search(" [?:;!…]", text)]


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


def test_runners_up_are_those_with_at_least_five_percent() -> None:
    top = [("Kiwi", 0.9), ("Lime", 0.05), ("Pear", 0.049), ("Fig", 0.001)]
    assert worth_showing(top) == top[:2]
    assert worth_showing([("Kiwi", 0.03), ("Lime", 0.02)]) == [("Kiwi", 0.03)]


def test_samples_are_of_different_kinds(tmp_path: Path) -> None:
    assert varied(tmp_path / "nothing") == []
    for name in ("Apple/Gala/1.jpg", "Apple/Gala/2.jpg", "Fig/1.jpg", "Kiwi/1.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    wanted = [tmp_path / name for name in ("Apple/Gala/1.jpg", "Fig/1.jpg", "Kiwi/1.jpg")]
    assert varied(tmp_path) == wanted
    for kind in "abcdefgh":
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "1.jpg").touch()
    assert len({photo.parent for photo in varied(tmp_path)}) == 4


def test_a_sample_that_does_not_exist_is_not_found(tmp_path: Path) -> None:
    for site in serving(Ada, {"mine": str(tmp_path)}):
        assert ask(f"{site}sample/0")[0] == 404


def test_samples_need_no_login(tmp_path: Path) -> None:
    """The Hub refuses its cookie for images: each would log in again and end the page's session."""
    (tmp_path / "1.jpg").write_bytes(b"photo")
    for site in serving(Nobody, {}, [tmp_path / "1.jpg"]):
        assert ask(f"{site}sample/0") == (200, "photo")
