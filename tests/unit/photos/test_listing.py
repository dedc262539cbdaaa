"""Every photo below a folder is listed once, with its label, despite odd names and links."""

import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from listings import NFC, NFD, ODD_NAMES, column, labels, listing, paths, problems, put

from fruits.errors import StorageError
from fruits.photos.extensions import EXTENSIONS
from fruits.photos.listing import list_photos
from fruits.progress import Count
from fruits.storage import open_folder

# Names and labels ----------------------------------------------------------------------------


def test_label_is_the_name_of_the_parent_folder(tmp_path: Path) -> None:
    put(tmp_path, "root.jpg", "Apple/1.jpg", "2024/market/Pear/1.png", "2024/market/2.png")
    assert labels(tmp_path) == {
        "root.jpg": None,
        "Apple/1.jpg": "Apple",
        "2024/market/Pear/1.png": "Pear",
        "2024/market/2.png": "market",
    }


def test_photos_are_found_at_any_depth(tmp_path: Path) -> None:
    deep = "/".join(["d"] * 60)
    put(tmp_path, f"{deep}/a.jpg")
    assert labels(tmp_path) == {f"{deep}/a.jpg": "d"}


@pytest.mark.parametrize("name", ODD_NAMES)
def test_names_are_kept_exactly(tmp_path: Path, name: str) -> None:
    put(tmp_path, f"{name}/{name}.jpg")
    assert labels(tmp_path) == {f"{name}/{name}.jpg": name}
    assert open_folder(tmp_path).read(f"{name}/{name}.jpg") == b"x"


def test_composed_and_decomposed_accents_are_distinct(tmp_path: Path) -> None:
    put(tmp_path, f"{NFC}/a.jpg", f"{NFD}/a.jpg")
    assert sorted(labels(tmp_path).values(), key=str) == sorted([NFC, NFD])


def test_photos_are_sorted_by_path(tmp_path: Path) -> None:
    names = [
        "b/1.jpg",
        "B.jpg",
        "a.jpg",
        "b.jpg",
        "b/10.jpg",
        "b/2.jpg",
        "é.jpg",
        "🍓.jpg",
        "b-/1.jpg",
    ]
    put(tmp_path, *names)
    assert paths(tmp_path) == sorted(names)


def test_other_files_are_counted(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "notes.txt", "Apple/.DS_Store", "Apple/b.jpg.part", "Apple/c.JPG")
    listed = listing(tmp_path)
    assert listed.table["path"].to_pylist() == ["Apple/c.JPG", "a.jpg"]
    assert listed.ignored == 3


def test_photos_are_counted_for_the_display(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", "notes.txt", "Apple/._c.jpg", "Apple/c.jpg")
    count = Count()
    list_photos(open_folder(str(tmp_path)), count=count)
    assert (count.part.read()[0], count.part.total, count.part.unit) == (2, None, "photos")


@pytest.mark.parametrize("names", [[], ["notes.txt"]])
def test_a_folder_without_photos_has_an_empty_listing(tmp_path: Path, names: list[str]) -> None:
    put(tmp_path, *names)
    listed = listing(tmp_path)
    assert (listed.table.num_rows, listed.ignored) == (0, len(names))


def test_size_and_version_come_from_the_file(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", data=b"12345")
    before = listing(tmp_path).table
    assert before["size"].to_pylist() == [5]
    assert listing(tmp_path).table == before
    put(tmp_path, "a.jpg", data=b"54321")
    os.utime(tmp_path / "a.jpg", ns=(0, 1))  # the file system's clock may be too coarse
    assert listing(tmp_path).table["version"] != before["version"]


NAMES = st.builds(
    str.__add__,
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), max_size=6),
    st.sampled_from(["", "", ".jpg", ".PNG", ".txt"]),
).filter(lambda name: name not in ("", ".", ".."))
Tree = dict[str, "Tree | None"]  # a file is None
TREES = st.recursive(
    st.none(), lambda below: st.dictionaries(NAMES, below, max_size=5), max_leaves=20
).filter(lambda tree: tree is not None)


def grow(root: Path, tree: Tree) -> None:
    for name, below in tree.items():
        if below is None:
            put(root, name)
        else:
            (root / name).mkdir()
            grow(root / name, below)


def listed_by_walk(root: str) -> tuple[dict[str, str | None], int]:
    """Labels by path and the number of other files, found with os.walk."""
    files = [os.path.join(top, name) for top, _, names in os.walk(root) for name in names]
    photos = [Path(file) for file in files if file.lower().endswith(tuple(EXTENSIONS))]
    by_path = {
        str(photo.relative_to(root)): None if photo.parent == Path(root) else photo.parent.name
        for photo in photos
    }
    return by_path, len(files) - len(photos)


@given(
    tree=TREES,
    links=st.lists(st.tuples(st.integers(0, 99), NAMES, st.integers(0, 99)), max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_listing_matches_os_walk_for_any_tree(
    tree: Tree, links: list[tuple[int, str, int]]
) -> None:
    """Links to folders within the tree add nothing."""
    with tempfile.TemporaryDirectory() as root:
        grow(Path(root), tree)
        expected, ignored = listed_by_walk(root)
        folders = sorted(top for top, _, _ in os.walk(root))
        for holder, name, target in links:
            link = Path(folders[holder % len(folders)], name)
            if not link.exists():
                link.symlink_to(folders[target % len(folders)])
        listed = list_photos(open_folder(root), system_files="include")
        assert list(column(listed, "label").items()) == sorted(expected.items())
        assert listed.ignored == ignored


# Links ---------------------------------------------------------------------------------------

LINKS: dict[str, tuple[dict[str, str], list[str]]] = {
    "to itself": ({"loop": "loop"}, []),
    "to its own folder": ({"Apple/here": "."}, []),
    "to the parent": ({"Apple/up": ".."}, []),
    "to each other's folder": ({"Apple/pear": "../Pear", "Pear/apple": "../Apple"}, []),
    "to nothing": ({"Apple/gone": "nowhere"}, []),
    "before the real folder": ({"A": "Apple"}, []),
    "to a folder outside": ({"Far": "../outside"}, ["Far/Deep/2.jpg", "Far/1.jpg"]),
    "to one folder twice": (
        {"Far": "../outside", "Near": "../outside"},
        ["Far/Deep/2.jpg", "Far/1.jpg"],
    ),
    "to a folder and one in it": (
        {"Far": "../outside", "Near": "../outside/Deep"},
        ["Far/Deep/2.jpg", "Far/1.jpg"],
    ),
    "outside, with a way back": (
        {"Far": "../outside", "../outside/back": "../photos"},
        ["Far/Deep/2.jpg", "Far/1.jpg"],
    ),
    "by way of a link": ({"Far": "Next", "Next": "../outside"}, ["Far/Deep/2.jpg", "Far/1.jpg"]),
    "to a photo": ({"Pear/same.jpg": "../Apple/1.jpg"}, ["Pear/same.jpg"]),
}


@pytest.mark.parametrize("kind", LINKS)
def test_links_are_followed_once(tmp_path: Path, kind: str) -> None:
    root = tmp_path / "photos"
    put(root, "Apple/1.jpg", "Pear/1.jpg")
    put(tmp_path / "outside", "1.jpg", "Deep/2.jpg")
    links, more = LINKS[kind]
    for link, target in links.items():
        (root / link).symlink_to(target)
    assert paths(root) == sorted(["Apple/1.jpg", "Pear/1.jpg", *more])


def test_the_photos_folder_may_be_a_link(tmp_path: Path) -> None:
    put(tmp_path / "real", "Apple/1.jpg")
    (tmp_path / "link").symlink_to("real")
    assert paths(tmp_path / "link") == ["Apple/1.jpg"]


# Unreadable photos ---------------------------------------------------------------------------


def listen(name: str) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda name: os.symlink("nowhere", name), "can't be read"),
        (lambda name: os.symlink(name, name), "can't be read"),
        (os.mkfifo, "not a regular file"),
        (listen, "not a regular file"),
        (lambda name: os.symlink("/dev/zero", name), "not a regular file"),
    ],
    ids=["broken link", "link to itself", "FIFO", "socket", "device"],
)
def test_special_files_and_broken_links_are_listed_with_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[str], None], problem: str
) -> None:
    monkeypatch.chdir(tmp_path)  # the absolute path would be too long for a socket
    make("x.jpg")
    put(tmp_path, "good.jpg")
    by_path = problems(tmp_path)
    assert list(by_path) == ["good.jpg", "x.jpg"]
    assert by_path["good.jpg"] is None
    assert problem in (by_path["x.jpg"] or "")
    assert listing(tmp_path).table["size"].to_pylist() == [1, 0]


@pytest.mark.parametrize("raw", [b"caf\xe9.jpg", b"\xff\xfe/a.jpg"], ids=["file", "folder"])
def test_name_that_is_not_utf8_is_listed_with_a_problem(tmp_path: Path, raw: bytes) -> None:
    path = os.path.join(os.fsencode(tmp_path), raw)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb"):
        pass
    put(tmp_path, "good.jpg")
    shown = raw.decode("utf-8", "backslashreplace")
    problem = "the file's name is not valid UTF-8: rename it"
    assert problems(tmp_path) == {"good.jpg": None, shown: problem}


def test_a_folder_named_like_a_photo_is_a_folder(tmp_path: Path) -> None:
    put(tmp_path, "d.jpg/1.jpg")
    assert labels(tmp_path) == {"d.jpg/1.jpg": "d.jpg"}


# Unreadable folders --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["missing", "a.jpg", "missing/below"])
def test_a_missing_folder_is_named(tmp_path: Path, name: str) -> None:
    put(tmp_path, "a.jpg")
    with pytest.raises(StorageError, match=f"there is no folder .*/{name}$"):
        listing(tmp_path / name)


@pytest.mark.parametrize(
    ("mode", "named"), [(0o000, "Closed"), (0o300, "Closed"), (0o600, "Closed/Inner")]
)
def test_folder_without_permission_is_named(as_nobody: Path, mode: int, named: str) -> None:
    put(as_nobody, "Apple/1.jpg", "Closed/Inner/1.jpg")
    (as_nobody / "Closed").chmod(mode)
    try:
        with pytest.raises(StorageError, match=f"can't list the folder .*{named}': Permission"):
            listing(as_nobody)
    finally:
        (as_nobody / "Closed").chmod(0o700)


def test_link_into_a_forbidden_folder_is_listed_with_a_problem(as_nobody: Path) -> None:
    put(as_nobody, "photos/good.jpg", "closed/1.jpg")
    (as_nobody / "photos" / "far.jpg").symlink_to("../closed/1.jpg")
    (as_nobody / "closed").chmod(0)
    try:
        by_path = problems(as_nobody / "photos")
    finally:
        (as_nobody / "closed").chmod(0o700)
    assert by_path == {"far.jpg": "the file can't be read (Permission denied)", "good.jpg": None}
