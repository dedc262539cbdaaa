"""Every photo below a folder is listed once, with its label, whatever the names and links."""

import os
import socket
import tempfile
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

from fruits.errors import StorageError
from fruits.photos.decode import EXTENSIONS
from fruits.photos.listing import Listing, list_photos
from fruits.storage import open_folder
from fruits.storage.s3 import S3Folder, s3_client

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
    """Files; whether they are pictures is nothing to a listing."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def listing(root: Path | str) -> Listing:
    return list_photos(open_folder(root))


def paths(root: Path | str) -> list[str]:
    found: list[str] = listing(root).table["path"].to_pylist()
    return found


def column(found: Listing, name: str) -> dict[str, str | None]:
    """What a column says of each photo, by path, in the order of the listing."""
    table = found.table
    return dict(zip(table["path"].to_pylist(), table[name].to_pylist(), strict=True))


def labels(root: Path | str) -> dict[str, str | None]:
    return column(listing(root), "label")


def problems(root: Path) -> dict[str, str | None]:
    return column(listing(root), "problem")


# Names and labels ----------------------------------------------------------------------------


def test_the_label_is_the_folder_that_holds_the_photo(tmp_path: Path) -> None:
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
def test_names_are_kept_to_the_letter(tmp_path: Path, name: str) -> None:
    put(tmp_path, f"{name}/{name}.jpg")
    assert labels(tmp_path) == {f"{name}/{name}.jpg": name}
    assert open_folder(tmp_path).read(f"{name}/{name}.jpg") == b"x"


def test_composed_and_decomposed_accents_are_two_names(tmp_path: Path) -> None:
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
    found = listing(tmp_path)
    assert found.table["path"].to_pylist() == ["Apple/c.JPG", "a.jpg"]
    assert found.ignored == 3


@pytest.mark.parametrize("names", [[], ["notes.txt"]])
def test_a_folder_without_photos_has_an_empty_listing(tmp_path: Path, names: list[str]) -> None:
    put(tmp_path, *names)
    found = listing(tmp_path)
    assert (found.table.num_rows, found.ignored) == (0, len(names))


def test_size_and_version_are_the_files(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg", data=b"12345")
    before = listing(tmp_path).table
    assert before["size"].to_pylist() == [5]
    assert listing(tmp_path).table == before
    put(tmp_path, "a.jpg", data=b"54321")
    os.utime(tmp_path / "a.jpg", ns=(0, 1))  # the disk's clock may tick less often than this test
    assert listing(tmp_path).table["version"] != before["version"]


NAMES = st.builds(
    str.__add__,
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), max_size=6),
    st.sampled_from(["", "", ".jpg", ".PNG", ".txt"]),
).filter(lambda name: name not in ("", ".", ".."))
Tree = dict[str, "Tree | None"]  # files are None
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


def naively(root: str) -> tuple[dict[str, str | None], int]:
    """The labels by path, and how many other files there are, by os.walk."""
    files = [os.path.join(top, name) for top, _, names in os.walk(root) for name in names]
    photos = [Path(file) for file in files if file.lower().endswith(tuple(EXTENSIONS))]
    found = {
        str(photo.relative_to(root)): None if photo.parent == Path(root) else photo.parent.name
        for photo in photos
    }
    return found, len(files) - len(photos)


@given(
    tree=TREES,
    links=st.lists(st.tuples(st.integers(0, 99), NAMES, st.integers(0, 99)), max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_any_tree_is_listed_as_by_a_walk(tree: Tree, links: list[tuple[int, str, int]]) -> None:
    """Also with links, anywhere in it, to folders of the tree: they add nothing."""
    with tempfile.TemporaryDirectory() as root:
        grow(Path(root), tree)
        expected, ignored = naively(root)
        folders = sorted(top for top, _, _ in os.walk(root))
        for holder, name, target in links:
            link = Path(folders[holder % len(folders)], name)
            if not link.exists():
                link.symlink_to(folders[target % len(folders)])
        found = listing(root)
        assert list(column(found, "label").items()) == sorted(expected.items())
        assert found.ignored == ignored


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


# What only looks like a photo ----------------------------------------------------------------


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
def test_what_can_not_be_a_photo_is_listed_with_its_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[str], None], problem: str
) -> None:
    monkeypatch.chdir(tmp_path)  # the whole path would be too long for a socket
    make("x.jpg")
    put(tmp_path, "good.jpg")
    found = problems(tmp_path)
    assert list(found) == ["good.jpg", "x.jpg"]
    assert found["good.jpg"] is None
    assert problem in (found["x.jpg"] or "")
    assert listing(tmp_path).table["size"].to_pylist() == [1, 0]


@pytest.mark.parametrize("raw", [b"caf\xe9.jpg", b"\xff\xfe/a.jpg"], ids=["file", "folder"])
def test_a_name_that_is_not_utf8_is_listed_with_its_problem(tmp_path: Path, raw: bytes) -> None:
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


# What can't be listed ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["missing", "a.jpg", "missing/below"])
def test_a_missing_folder_is_named(tmp_path: Path, name: str) -> None:
    put(tmp_path, "a.jpg")
    with pytest.raises(StorageError, match=f"there is no folder .*/{name}$"):
        listing(tmp_path / name)


@pytest.mark.parametrize(
    ("mode", "named"), [(0o000, "Closed"), (0o300, "Closed"), (0o600, "Closed/Inner")]
)
def test_a_folder_that_may_not_be_listed_is_named(as_nobody: Path, mode: int, named: str) -> None:
    put(as_nobody, "Apple/1.jpg", "Closed/Inner/1.jpg")
    (as_nobody / "Closed").chmod(mode)
    try:
        with pytest.raises(StorageError, match=f"can't list the folder .*{named}': Permission"):
            listing(as_nobody)
    finally:
        (as_nobody / "Closed").chmod(0o700)


def test_a_link_to_where_one_may_not_look_is_a_problem_of_that_photo(as_nobody: Path) -> None:
    put(as_nobody, "photos/good.jpg", "closed/1.jpg")
    (as_nobody / "photos" / "far.jpg").symlink_to("../closed/1.jpg")
    (as_nobody / "closed").chmod(0)
    try:
        found = problems(as_nobody / "photos")
    finally:
        (as_nobody / "closed").chmod(0o700)
    assert found == {"far.jpg": "the file can't be read (Permission denied)", "good.jpg": None}


# A bucket ------------------------------------------------------------------------------------


IN_BUCKETS = [name for name in ODD_NAMES if "\n" not in name]
"""S3 has keys with newlines, but moto's server does not route them."""


def upload(bucket: str, *keys: str, data: bytes = b"x") -> None:
    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda k: s3_client().put_object(Bucket=bucket, Key=k, Body=data), keys):
            pass


@pytest.mark.parametrize("prefix", ["", "a b/é/photos/"])
def test_a_tree_lists_the_same_in_a_bucket(tmp_path: Path, s3: str, prefix: str) -> None:
    names = ["root.jpg", "notes.txt", "2024/market/Pear/1.png", "2024/.DS_Store"]
    names += [f"{name}/{name}.jpg" for name in IN_BUCKETS]
    put(tmp_path, *names)
    upload(s3, *(prefix + name for name in names))
    assert labels(f"s3://{s3}/{prefix}") == labels(tmp_path)
    assert list(labels(f"s3://{s3}/{prefix}")) == list(labels(tmp_path))
    assert listing(f"s3://{s3}/{prefix}").ignored == listing(tmp_path).ignored == 2


def test_what_is_listed_in_a_bucket_can_be_read(s3: str) -> None:
    upload(s3, *(f"photos/{name}.jpg" for name in IN_BUCKETS))
    folder = open_folder(f"s3://{s3}/photos")
    assert [folder.read(path) for path in paths(f"s3://{s3}/photos")] == [b"x"] * len(IN_BUCKETS)


def test_more_keys_than_s3_lists_at_once_are_all_found(s3: str) -> None:
    store = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]  # faster than by 1,003 requests
    names = [f"{i:04}.jpg" for i in range(1003)]
    for name in names:
        store.put_object(s3, f"photos/{name}", b"x")
    assert paths(f"s3://{s3}/photos") == names


@pytest.mark.parametrize("folders", [1, 20])
def test_pages_of_a_listing_are_all_read(s3: str, folders: int) -> None:
    """With pages of two keys, in few folders (listed one by one) and in many (listed whole)."""
    names = [f"{i % folders:02}/{i:02}/{i}.jpg" for i in range(24)]
    upload(s3, *names)
    events = s3_client().meta.events
    events.register("before-parameter-build.s3.ListObjectsV2", two_at_a_time)
    assert paths(f"s3://{s3}") == sorted(names)


def two_at_a_time(params: dict[str, object], **_: object) -> None:
    params["MaxKeys"] = 2


def test_the_empty_objects_by_which_consoles_show_folders_are_nothing(s3: str) -> None:
    upload(s3, "photos/", "photos/Apple/", "photos/d.jpg/", "photos/Empty/", data=b"")
    upload(s3, "photos/Apple/1.jpg", "photos/d.jpg/1.jpg")
    assert paths(f"s3://{s3}/photos") == ["Apple/1.jpg", "d.jpg/1.jpg"]
    assert listing(f"s3://{s3}/photos").ignored == 0


def test_a_prefix_is_a_folder_not_the_start_of_a_name(s3: str) -> None:
    upload(s3, "photos/1.jpg", "photos2/2.jpg", "photos.jpg")
    assert paths(f"s3://{s3}/photos") == ["1.jpg"]


def test_size_and_version_are_the_objects(s3: str) -> None:
    upload(s3, "a.jpg", data=b"12345")
    before = listing(f"s3://{s3}").table
    assert before["size"].to_pylist() == [5]
    assert listing(f"s3://{s3}").table == before
    upload(s3, "a.jpg", data=b"54321")
    assert listing(f"s3://{s3}").table["version"] != before["version"]


def test_a_bucket_that_is_gone_is_named(s3: str) -> None:
    with pytest.raises(StorageError, match="there is no bucket nowhere: check its name"):
        list_photos(S3Folder("nowhere", ""))
