"""The suspects of a results folder: found anew, kept, or read."""

from dataclasses import replace
from functools import partial

import pyarrow as pa

from fruits.csv_cells import write_csv
from fruits.progress import Progress
from fruits.results import tables
from fruits.results.manifest import Manifest
from fruits.results.store import SUSPECTS, Results
from fruits.settings import Settings
from fruits.suspects.find import find
from fruits.suspects.pictures import compare
from fruits.suspects.table import SCHEMA, without

AUTOMATIC = 10_000
"""Up to this many photos, `run` and `train` look for suspects, which takes some seconds."""
SMALL = 2_000
"""Up to this many photos, each run does: it takes a second."""
_MANY_NEW = 0.1
"""The share of new photos from which runs with more do: they take long themselves."""


def update_suspects(
    store: Results,
    pending: Manifest,
    settings: Settings,
    progress: Progress,
    *,
    new: int | None = None,
    always: bool = False,
) -> Manifest:
    """The pending manifest with the suspects of its features.

    Those of the former manifest are kept if they are of the same files of features. Unless
    `always`, others are not looked for among very many photos, nor among many of which only a few
    are `new`.
    """
    former = store.manifest
    kept = keep_suspects(store, pending)
    if kept.suspects and not always:
        return kept
    photos = pending.counts.get("features", 0)
    few_new = new is not None and photos > SMALL and new < _MANY_NEW * photos
    if not always and (photos > AUTOMATIC or few_new):
        if former and former.suspects:
            progress.say(
                "The photos to look at are of former photos, and dropped: "
                f"run `fruits check {store.folder.address}`."
            )
        return replace(pending, suspects=None)
    with progress.step("check") as count:
        max_pixels = settings.max_pixels
        pixels = partial(compare, pending.photos, max_pixels=max_pixels, count=count)
        found = find(store.folder, pending.features, compare=pixels, count=count)
        return replace(pending, suspects=_written(store, found))


def keep_suspects(store: Results, pending: Manifest) -> Manifest:
    """The pending manifest with the former suspects if they are of the same files of features."""
    former = store.manifest
    same = former is not None and former.features == pending.features
    return replace(pending, suspects=former.suspects if former and same else None)


def without_erased(store: Results, pending: Manifest, erased: pa.Array) -> Manifest:
    """The pending manifest with suspects that don't refer to erased photos."""
    if not pending.suspects:
        return pending
    former = tables.read_file(store.folder, pending.suspects)
    suspects = without(former, erased.to_pylist(), filter(None, pending.labels))
    return replace(pending, suspects=_written(store, suspects))


def read_suspects(store: Results) -> pa.Table | None:
    """The suspects, rows of `table.SCHEMA`; None if they were not looked for."""
    file = store.current().suspects
    return tables.read_file(store.folder, file).cast(SCHEMA) if file else None


def write_suspects(store: Results) -> None:
    """Writes suspects.csv as the manifest has it."""
    if (suspects := read_suspects(store)) is not None:
        out = pa.BufferOutputStream()
        write_csv(suspects, out)
        store.write_derived(SUSPECTS, bytes(out.getvalue()))


def _written(store: Results, suspects: pa.Table) -> str:
    name = tables.new_file("suspects")
    tables.write(store.folder, name, suspects)
    return name
