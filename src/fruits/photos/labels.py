"""The labels of photos: from the folders they are in, or from a table.

Folders such as `Training` and `Test`, which split a data set, are not part of labels.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

RULES = ("folder", "path", "first", "none")
"""The innermost folder, all folders, the outermost folder, no label."""
SPLITS = ("train", "valid", "test")
_SPLIT = re.compile(
    r"(?:(?:seg|images?|data|photos?)[-_ ])?"
    r"(?:(?P<train>train|training)|(?P<test>test|testing)|(?P<valid>valid|validation|val|dev))"
    r"(?:[-_ ]?(?:sets?|data|images?|imgs?|photos?|pictures?|split|folder))?[-_ ]?\d{0,2}",
    re.IGNORECASE,
)
_NAMED = 3  # examples in a notice

Parts = tuple[str, ...]
"""The names of nested folders, the outermost first."""


@dataclass(frozen=True)
class Layout:
    """The folders of photos, without those that split the data set."""

    parts: Mapping[str, Parts]  # of each folder, without split folders
    splits: Mapping[str, str]  # the split of each folder that is in one

    @staticmethod
    def of(folders: Iterable[str]) -> "Layout":
        """The layout of folders, given as paths relative to the folder of all photos.

        A folder with a name such as `Training` or `test_set` is a split if the photos are in
        folders inside it, or if a folder of another split is beside it, or beside another one at
        this depth (`Apple/train`, where there are `Kiwi/train` and `Kiwi/test`).
        """
        given = {folder: tuple(filter(None, folder.split("/"))) for folder in folders}
        beside: defaultdict[Parts, set[str]] = defaultdict(set)
        for names in given.values():
            for i, name in enumerate(names):
                if split := _split_of(name):
                    beside[names[:i]].add(split)
        depths = {len(parent) for parent, splits_there in beside.items() if len(splits_there) > 1}
        parts: dict[str, Parts] = {}
        splits: dict[str, str] = {}
        for folder, names in given.items():
            kept = []
            for i, name in enumerate(names):
                split = _split_of(name)
                if split and (i < len(names) - 1 or i in depths):
                    splits.setdefault(folder, split)
                else:
                    kept.append(name)
            parts[folder] = tuple(kept)
        return Layout(parts, splits)

    @staticmethod
    def of_photos(paths: pa.ChunkedArray) -> "Layout":
        """The layout of the folders of these photos."""
        return Layout.of(pc.unique(folders_of(paths)).to_pylist())

    def label(self, folder: str, rule: str) -> str | None:
        """The label of the photos in a folder, by one of RULES."""
        parts = self.parts[folder]
        if not parts or rule == "none":
            return None
        return {"folder": parts[-1], "first": parts[0], "path": "/".join(parts)}[rule]

    def in_split(self, paths: pa.ChunkedArray, split: str) -> pa.ChunkedArray:
        """Mask of the photos that are in a split."""
        inside = [folder for folder, name in self.splits.items() if name == split]
        return pc.is_in(folders_of(paths), pa.array(inside, pa.string()))


def folders_of(paths: pa.ChunkedArray) -> pa.ChunkedArray:
    """The folder of each path; empty for photos that are in none."""
    return pc.replace_substring_regex(paths, r"(?s)/?[^/]*\z", "")


def label_by_folder(paths: pa.ChunkedArray, rule: str) -> tuple[pa.ChunkedArray, Layout]:
    """The label of each photo, by one of RULES, and the layout of the folders."""
    folders = folders_of(paths).combine_chunks().dictionary_encode()
    layout = Layout.of(folders.dictionary.to_pylist())
    labels = [layout.label(folder, rule) for folder in folders.dictionary.to_pylist()]
    return pa.chunked_array([pa.array(labels, pa.string()).take(folders.indices)]), layout


# Notices --------------------------------------------------------------------------------------


def merged(layout: Layout) -> str | None:
    """A notice if folders of one name, in different folders, get the same label."""
    places: defaultdict[str, set[str]] = defaultdict(set)
    for parts in layout.parts.values():
        if parts:
            places[parts[-1]].add("/".join(parts))
    several = {label: sorted(folders) for label, folders in places.items() if len(folders) > 1}
    if not several:
        return None
    examples = [
        f"{label} ({_some(folders)})" for label, folders in sorted(several.items())[:_NAMED]
    ]
    more = f" and {len(several) - _NAMED} more" if len(several) > _NAMED else ""
    return (
        f"Folders of the same name get the same label: {', '.join(examples)}{more}. "
        "To keep them apart, use --labels path; to merge them without this notice, --labels folder."
    )


def similar(labels: Iterable[str]) -> str | None:
    """A notice if labels look alike, but differ in case, spaces, or the Unicode form of accents."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for label in sorted(labels):
        groups[_looks(label)].append(label)
    alike = [group for group in groups.values() if len(group) > 1]
    if not alike:
        return None
    examples = [" and ".join(map(_told_apart, group)) for group in alike[:_NAMED]]
    more = f"; and {len(alike) - _NAMED} more" if len(alike) > _NAMED else ""
    return (
        f"Labels look alike, but are different: {'; '.join(examples)}{more}. "
        "If they mean the same, rename the folders."
    )


def _looks(label: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", label).casefold())
    visible = "".join(c for c in folded if unicodedata.category(c) != "Cf")
    return " ".join(visible.split())


def _told_apart(label: str) -> str:
    """The label with a note of what can't be seen in it."""
    notes = []
    if label != label.strip():
        notes.append("with spaces around it")
    if not unicodedata.is_normalized("NFC", label):
        notes.append("with decomposed accents")
    if any(unicodedata.category(c) == "Cf" for c in label):
        notes.append("with invisible characters")
    return f"{label!r} {', '.join(notes)}".rstrip()


def _some(names: list[str]) -> str:
    more = [f"{len(names) - _NAMED} more"] if len(names) > _NAMED else []
    *first, last = [*names[:_NAMED], *more]
    return f"{', '.join(first)} and {last}"


def _split_of(name: str) -> str | None:
    match = _SPLIT.fullmatch(name.strip())
    return match.lastgroup if match else None


# Names for people -----------------------------------------------------------------------------


def readable_names(labels: Iterable[str], paths: Iterable[str], of: Iterable[str]) -> list[str]:
    """A name for each of `labels` that can be read without its folders, as `Apple (Green)`.

    That is, the name of the outer folder is added to a label that doesn't contain it, unless the
    label has photos in several folders. `paths` and `of` are photos and their labels.
    """
    photos = Counter(zip(of, (path.rpartition("/")[0] for path in paths), strict=True))
    layout = Layout.of({folder for _, folder in photos})
    places: defaultdict[str, set[Parts]] = defaultdict(set)
    for label, folder in photos:
        places[label].add(layout.parts[folder])
    common = _common({parts[:-1] for parts in layout.parts.values() if parts})
    names = []
    for label in labels:
        inside = places[label]
        parts = next(iter(inside))[common:] if len(inside) == 1 else ()
        if parts and label in (parts[-1], "/".join(next(iter(inside)))):
            *outer, inner = map(_words, parts)
            names.append(_with_outer(outer, inner))
        else:
            names.append(_words(label))
    return names if len(set(names)) == len(names) else list(labels)


def _with_outer(outer: list[str], inner: str) -> str:
    if not outer or outer[-1].casefold() in inner.casefold():
        return inner
    return f"{'/'.join(outer)} ({inner})"


def _common(folders: set[Parts]) -> int:
    """The number of outer folders that all have in common."""
    shortest = min(folders, key=len, default=())
    for i, name in enumerate(shortest):
        if any(parts[i] != name for parts in folders):
            return i
    return len(shortest)


def _words(name: str) -> str:
    return re.sub(r"(?<=[^\W\d])[-_](?=[^\W\d])", " ", name)
