"""Labels by folders or from a table; splits, and notices about labels that are easily mixed up."""

import unicodedata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command import fruits, refused

from fruits.errors import SettingsError
from fruits.photos.labels import Layout, readable_names, similar
from fruits.photos.listing import Listing, list_photos
from fruits.storage import open_folder


def listing(root: Path, paths: list[str], labels: str | None = None) -> Listing:
    folder = open_folder(root)
    for path in paths:
        folder.write(path, b"x")
    return list_photos(folder, labels)


def labels(root: Path, paths: list[str], rule: str | None = None) -> list[str | None]:
    """The label of each path, in the order of `paths`."""
    table = listing(root, paths, rule).table
    by_path = dict(zip(table["path"].to_pylist(), table["label"].to_pylist(), strict=True))
    return [by_path[path] for path in paths]


# Rules ----------------------------------------------------------------------------------------

NESTED = ["Apple/Green/1.jpg", "Apple/Red/2.jpg", "Banana/3.jpg", "4.jpg"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (None, ["Green", "Red", "Banana", None]),
        ("folder", ["Green", "Red", "Banana", None]),
        ("path", ["Apple/Green", "Apple/Red", "Banana", None]),
        ("first", ["Apple", "Apple", "Banana", None]),
        ("none", [None, None, None, None]),
    ],
)
def test_each_rule(tmp_path: Path, rule: str | None, expected: list[str | None]) -> None:
    assert labels(tmp_path, NESTED, rule) == expected


def test_keys_with_empty_names_have_the_label_of_the_last_name(s3: str) -> None:
    folder = open_folder(f"s3://{s3}/photos")
    for path in ("Apple//1.jpg", "/2.jpg", "//Pear/3.jpg"):
        folder.write(path, b"x")
    assert list_photos(folder).table["label"].to_pylist() == ["Pear", None, "Apple"]


# Splits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("train", "test", "valid"),
    [
        ("Training", "Test", "Validation"),
        ("train", "test", "valid"),
        ("train_set", "test_set", "val"),
        ("training-images", "testing-images", "dev"),
        ("seg_train", "seg_test", "VAL"),
        ("Train Set", "test1", "valid"),
        ("seg_train/seg_train", "seg_test/seg_test", "seg_val/seg_val"),
    ],
)
@pytest.mark.parametrize("rule", ["folder", "path", "first"])
def test_splits_are_no_labels(tmp_path: Path, train: str, test: str, valid: str, rule: str) -> None:
    paths = [f"{split}/Kiwi/1.jpg" for split in (train, test, valid)]
    assert labels(tmp_path, paths, rule) == ["Kiwi"] * 3
    assert list(Layout.of(path.rpartition("/")[0] for path in paths).splits.values()) == [
        "train",
        "test",
        "valid",
    ]


@pytest.mark.parametrize("rule", ["folder", "path", "first"])
def test_splits_inside_labels_are_no_labels(tmp_path: Path, rule: str) -> None:
    paths = ["Kiwi/train/1.jpg", "Kiwi/test/2.jpg", "Lime/train/3.jpg", "Lime/test/4.jpg"]
    assert labels(tmp_path, paths, rule) == ["Kiwi", "Kiwi", "Lime", "Lime"]


def test_a_label_without_test_photos_has_its_split_folder_all_the_same(tmp_path: Path) -> None:
    paths = ["Apple/train/1.jpg", "Banana/train/2.jpg", "Banana/test/3.jpg"]
    assert labels(tmp_path, paths) == ["Apple", "Banana", "Banana"]


def test_photos_directly_in_splits_have_no_label(tmp_path: Path) -> None:
    assert labels(tmp_path, ["train/1.jpg", "test/2.jpg"]) == [None, None]


def test_a_label_may_be_named_like_a_split(tmp_path: Path) -> None:
    paths = ["test/1.jpg", "Kiwi/2.jpg", "Trainer/Pear/3.jpg", "Contest/Plum/4.jpg"]
    assert labels(tmp_path, paths) == ["test", "Kiwi", "Pear", "Plum"]
    assert Layout.of(path.rpartition("/")[0] for path in paths).splits == {}


# Notices --------------------------------------------------------------------------------------


def test_merging_folders_is_said_unless_it_was_asked_for(tmp_path: Path) -> None:
    paths = ["Apple/Green/1.jpg", "Grape/Green/2.jpg", "Grape/Red/3.jpg"]
    (notice,) = listing(tmp_path, paths).notices
    assert "Green (Apple/Green and Grape/Green)" in notice
    assert "--labels path" in notice
    assert listing(tmp_path, paths, "folder").notices == []
    assert listing(tmp_path, paths, "path").notices == []


def test_splits_of_a_label_do_not_merge_anything(tmp_path: Path) -> None:
    paths = ["Training/Apple/Green/1.jpg", "Test/Apple/Green/2.jpg", "Test/Kiwi/3.jpg"]
    assert listing(tmp_path, paths).notices == []


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ("Pêche", unicodedata.normalize("NFD", "Pêche"), "with decomposed accents"),
        ("Apple", "Apple ", "with spaces around it"),
        ("Apple", "apple", "'apple'"),
        ("Apple", "Ap\u200bple", "with invisible characters"),
        ("Golden  Delicious", "Golden Delicious", "'Golden Delicious'"),
        ("Apple", "Ａｐｐｌｅ", "'Ａｐｐｌｅ'"),
    ],
)
def test_labels_that_look_alike_are_said(tmp_path: Path, one: str, other: str, why: str) -> None:
    assert sorted(labels(tmp_path, [f"{one}/1.jpg", f"{other}/2.jpg"]), key=str) == sorted(
        [one, other]
    )
    (notice,) = listing(tmp_path, []).notices
    assert notice.startswith("Labels look alike, but are different:")
    assert why in notice


def test_different_labels_are_not_alike() -> None:
    assert similar(["Apple", "Äpple", "Apple-1", "Apple 1", "Pear"]) is None


def test_the_command_shows_notices(tmp_path: Path) -> None:
    listing(tmp_path, ["Apple/Green/1.jpg", "Grape/Green/2.jpg", "apple/Red/3.jpg"])
    shown = fruits("labels", str(tmp_path)).stderr
    assert "Folders of the same name get the same label: Green" in shown


# Names for people -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("photos", "expected"),
    [
        ({"Apple/Green/1.jpg": "Green", "Kiwi/2.jpg": "Kiwi"}, ["Apple (Green)", "Kiwi"]),
        ({"Apple/Green/1.jpg": "Apple/Green", "Kiwi/2.jpg": "Kiwi"}, ["Apple (Green)", "Kiwi"]),
        ({"Apple/Red-Apple/1.jpg": "Red-Apple", "Kiwi/2.jpg": "Kiwi"}, ["Kiwi", "Red Apple"]),
        ({"Apple/Golden-Delicious/1.jpg": "Golden-Delicious", "K/2.jpg": "K"},
         ["Apple (Golden Delicious)", "K"]),
        ({"all/Apple/Green/1.jpg": "Green", "all/Kiwi/2.jpg": "Kiwi"}, ["Apple (Green)", "Kiwi"]),
        ({"Training/Apple/Green/1.jpg": "Green", "Test/Apple/Green/2.jpg": "Green",
          "Test/Lime/3.jpg": "Lime"}, ["Apple (Green)", "Lime"]),
        ({"Apple/Green/1.jpg": "Green", "Grape/Green/2.jpg": "Green", "Kiwi/3.jpg": "Kiwi"},
         ["Green", "Kiwi"]),
        ({"Apple/Green/1.jpg": "ripe", "Apple/Red/2.jpg": "unripe"}, ["ripe", "unripe"]),
    ],
)  # fmt: skip
def test_labels_have_readable_names(photos: dict[str, str], expected: list[str]) -> None:
    assert readable_names(sorted(set(photos.values())), photos, photos.values()) == expected


# Tables ---------------------------------------------------------------------------------------

_OUT = pa.BufferOutputStream()
pq.write_table(pa.table({"path": ["a.jpg"], "label": [["Kiwi"]]}), _OUT)
PARQUET_OF_LISTS = _OUT.getvalue().to_pybytes()
FLAT = ["a.jpg", "sub/b.jpg", "c.jpg"]


@pytest.mark.parametrize(
    "table",
    [
        "path,label\na.jpg,Kiwi\nsub/b.jpg,Lime\n",
        "\ufefflabel;path\r\nKiwi;a.jpg\r\n Lime ;sub/b.jpg\r\n;c.jpg\r\n",
        "Path\tShop\tLabel\n./a.jpg\tX\tKiwi\nsub/b.jpg\tX\tLime\n",
        'path,label\n"a.jpg","Kiwi"\n"sub/b.jpg","Lime"\n"sub/b.jpg","Lime"\n',
    ],
)
def test_labels_from_a_csv(tmp_path: Path, table: str) -> None:
    (tmp_path / "labels.csv").write_bytes(table.encode())
    root = tmp_path / "photos"
    assert labels(root, FLAT, str(tmp_path / "labels.csv")) == ["Kiwi", "Lime", None]


def test_a_csv_of_results_gives_the_names_that_it_escapes(tmp_path: Path) -> None:
    """In CSV, but not in Parquet, an apostrophe says that a name is no formula."""
    (tmp_path / "labels.csv").write_text("path,label\n'=a.jpg,'-Kiwi\n''@b.jpg,'quoted'\n")
    rows = {"path": ["'=a.jpg"], "label": ["'-Kiwi"]}
    pq.write_table(pa.table(rows), tmp_path / "labels.parquet")
    photos = ["=a.jpg", "'=a.jpg", "'@b.jpg"]
    root = tmp_path / "photos"
    assert labels(root, photos, str(tmp_path / "labels.csv")) == ["-Kiwi", None, "'quoted'"]
    assert labels(root, photos, str(tmp_path / "labels.parquet")) == [None, "'-Kiwi", None]


def test_labels_from_parquet_and_with_the_address_of_photos(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    rows = {"path": [f"{root}/a.jpg", "sub/b.jpg"], "label": ["None", "NA"]}
    pq.write_table(pa.table(rows), tmp_path / "labels.parquet")
    assert labels(root, FLAT, str(tmp_path / "labels.parquet")) == ["None", "NA", None]


def test_labels_from_a_table_in_s3(s3: str) -> None:
    folder = open_folder(f"s3://{s3}")
    folder.write("photos/a.jpg", b"x")
    folder.write("labels.csv", f"path,label\ns3://{s3}/photos/a.jpg,Kiwi\n".encode())
    listed = list_photos(open_folder(f"s3://{s3}/photos"), f"s3://{s3}/labels.csv")
    assert listed.table["label"].to_pylist() == ["Kiwi"]


def test_a_table_in_a_prefix_with_empty_names_is_read(s3: str) -> None:
    bucket = open_folder(f"s3://{s3}")
    bucket.write("photos/a.jpg", b"x")
    bucket.write("t//labels.csv", b"path,label\na.jpg,Kiwi\n")
    bucket.write("t/labels.csv", b"path,label\na.jpg,Lime\n")
    listed = list_photos(open_folder(f"s3://{s3}/photos"), f"s3://{s3}/t//labels.csv")
    assert listed.table["label"].to_pylist() == ["Kiwi"]


def test_rows_and_photos_without_a_partner_are_counted(tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("path,label\na.jpg,Kiwi\nz.jpg,Lime\n")
    listed = listing(tmp_path / "photos", FLAT, str(table))
    assert listed.notices == [
        f"1 rows of the table of labels {table} are of no photo.",
        f"2 photos have no label in {table}.",
    ]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"file,label\na.jpg,Kiwi\n", "needs the columns path and label; it has file, label"),
        (b"", "needs the columns path and label; it has none"),
        (b"path,label\na.jpg,Kiwi\na.jpg,Lime\n", "gives a.jpg more than one label"),
        (b"path,label\na.jpg,Kiwi\n./a.jpg,Lime\n", "gives a.jpg more than one label"),
        (PARQUET_OF_LISTS, "is not a table of labels"),
        ("path,label\na.jpg,Pêche\n".encode("cp1252"), "is not a table of labels (CSV in UTF-8"),
        (b"PAR1 broken", "is not a table of labels"),
    ],
)
def test_a_bad_table_is_refused(tmp_path: Path, data: bytes, expected: str) -> None:
    (tmp_path / "labels.csv").write_bytes(data)
    with pytest.raises(SettingsError) as caught:
        listing(tmp_path, ["a.jpg"], str(tmp_path / "labels.csv"))
    assert expected in str(caught.value)


SPELLINGS = ["a.jpg", "./a.jpg", "././a.jpg", "{root}/a.jpg"]


@pytest.mark.parametrize("one", SPELLINGS)
@pytest.mark.parametrize("other", SPELLINGS)
def test_two_labels_of_a_photo_are_refused_however_it_is_spelt(
    tmp_path: Path, one: str, other: str
) -> None:
    table, root = tmp_path / "labels.csv", tmp_path / "photos"
    paths = [spelt.format(root=root) for spelt in (one, other)]
    table.write_text(f"path,label\n{paths[0]},Kiwi\n{paths[1]},Lime\n")
    with pytest.raises(SettingsError, match=r"gives a\.jpg more than one label"):
        listing(root, FLAT, str(table))
    table.write_text(f"path,label\n{paths[0]},Kiwi\n{paths[1]}, Kiwi\n")
    assert listing(root, FLAT, str(table)).notices == [f"2 photos have no label in {table}."]


@pytest.mark.parametrize("prefix", ["", "./"])
@pytest.mark.parametrize("scheme", ["s3", "s3a", "s3n"])
def test_two_labels_of_a_photo_in_s3_are_refused(s3: str, prefix: str, scheme: str) -> None:
    folder = open_folder(f"s3://{s3}")
    folder.write("photos/a.jpg", b"x")
    rows = f"{prefix}a.jpg,Kiwi\n{scheme}://{s3}/photos/a.jpg,Lime\n"
    folder.write("labels.csv", f"path,label\n{rows}".encode())
    with pytest.raises(SettingsError, match=r"gives a\.jpg more than one label"):
        list_photos(open_folder(f"s3://{s3}/photos"), f"s3://{s3}/labels.csv")


def test_a_misspelt_rule_is_refused_in_one_line(tmp_path: Path) -> None:
    listing(tmp_path, ["a.jpg"])
    line = refused(fruits("labels", str(tmp_path), "--labels", "folders"))
    assert "use one of folder, path, first, none, or a table" in line
