"""Files with odd names, and what their listing has."""

import unicodedata
from pathlib import Path

from fruits.photos.listing import Listing, list_photos
from fruits.storage import open_folder

NFC, NFD = (unicodedata.normalize(form, "Pêche dorée") for form in ("NFC", "NFD"))
ODD_NAMES = [
    "Golden Delicious",
    " leading and trailing ",
    'l\'"abricot"',
    "#1 100% ?*[a]{b}",
    "%41+%2F",
    "two\nlines\tand a tab",
    "back\\slash",
    NFC,
    NFD,
    "🍓🍇",
    "-rf",
    "Crate.jpg",
]


def put(root: Path, *names: str, data: bytes = b"x") -> None:
    """Create files; their content doesn't matter to a listing."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def listing(root: Path | str) -> Listing:
    return list_photos(open_folder(root))


def paths(root: Path | str) -> list[str]:
    names: list[str] = listing(root).table["path"].to_pylist()
    return names


def column(listed: Listing, name: str) -> dict[str, str | None]:
    """The values of a column by path, in the order of the listing."""
    table = listed.table
    return dict(zip(table["path"].to_pylist(), table[name].to_pylist(), strict=True))


def labels(root: Path | str) -> dict[str, str | None]:
    return column(listing(root), "label")


def problems(root: Path) -> dict[str, str | None]:
    return column(listing(root), "problem")
