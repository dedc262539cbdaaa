"""The page's server without a Hub: predictions, errors and loaded resources."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from places import SAMPLES
from serving import Ada, ask, serving

from fruits.web.texts import TEXTS
from fruits.web.uploads import MAX_BYTES


@pytest.fixture(scope="module")
def site(classified: Path) -> Iterator[str]:
    yield from serving(
        Ada, {"mine": str(classified / "nothing"), "team": str(classified / "results")}
    )


def test_page_offers_the_available_classifiers(site: str) -> None:
    status, page = ask(site)
    assert status == 200
    assert '<input type="hidden" id="source" value="team">' in page
    assert TEXTS["en"]["choose"] in page
    assert 'id="samples"' not in page  # there are none here


def test_page_uses_the_language_of_the_browser(site: str) -> None:
    _, page = ask(site, None, **{"Accept-Language": "de, fr-CH;q=0.9, en;q=0.8"})
    assert '<html lang="fr">' in page
    assert TEXTS["fr"]["choose"] in page


def test_prediction_includes_similar_photos(site: str) -> None:
    photo = (SAMPLES / "Banana" / "banana_03.jpg").read_bytes()
    status, body = ask(f"{site}predict/team", photo)
    assert status == 200
    prediction: dict[str, Any] = json.loads(body)
    assert prediction["top"][0]["label"] == "Banana"
    assert all(shown["probability"] >= 0.05 for shown in prediction["top"][1:])
    assert len(prediction["nearest"]) == 4
    assert prediction["photo"].startswith("data:image/jpeg;base64,")


def test_labels_are_shown_with_their_outer_folder(site: str) -> None:
    photo = (SAMPLES / "Apple" / "Red" / "apple_red_01.jpg").read_bytes()
    _, body = ask(f"{site}predict/team", photo)
    assert json.loads(body)["top"][0]["name"] == "Apple (Red)"


@pytest.mark.parametrize(
    ("place", "data", "status", "why"),
    [
        ("team", b"no photo", 422, "broken"),
        ("team", b"", 422, "broken"),
        ("team", bytes(MAX_BYTES + 1), 413, "large"),
        ("mine", b"photo", 404, "missing"),
        ("elsewhere", b"photo", 404, "missing"),
    ],
)
def test_invalid_requests_are_refused(
    site: str, place: str, data: bytes, status: int, why: str
) -> None:
    assert ask(f"{site}predict/{place}", data) == (status, json.dumps({"error": why}))


def test_page_loads_no_external_resources(site: str) -> None:
    with urllib.request.urlopen(site) as response:
        policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
