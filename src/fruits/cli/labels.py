"""`fruits labels`: what the other commands see in a folder of photos."""

from collections import Counter

import click
from rich.table import Table

from fruits.cli.options import Verb, settings_of
from fruits.cli.summary import by_kind
from fruits.photos.labels import SPLITS, Layout, folders_of
from fruits.photos.listing import Listing, list_photos
from fruits.settings import Settings
from fruits.storage import open_folder
from fruits.terminal import echo, echo_table, printable


@click.command(
    cls=Verb,
    example="fruits labels ~/photos --labels path\nfruits labels s3://bucket/photos --skipped",
)
@click.argument("photos")
@click.option("--skipped", is_flag=True, help="List what is skipped, with its kind.")
@settings_of("labels", "system_files", "config")
def labels(photos: str, skipped: bool, settings: Settings) -> None:
    """Labels, splits and skipped files of PHOTOS, as the other commands see them."""
    folder = open_folder(photos)
    folder.check_there()
    listing = list_photos(folder, settings.labels, system_files=settings.system_files)
    if skipped:
        for row in listing.skipped.to_pylist():
            echo(f"{row['kind']}  {row['path']}")
        return
    _print_labels(listing)
    for notice in listing.notices:
        echo(notice, err=True)


def _print_labels(listing: Listing) -> None:
    paths, names = listing.table["path"], listing.table["label"].to_pylist()
    splits = Layout.of_photos(paths).splits
    counts = Counter(names)
    in_split = Counter(
        (name, splits.get(folder))
        for name, folder in zip(names, folders_of(paths).to_pylist(), strict=True)
    )
    columns = [split for split in SPLITS if split in splits.values()]
    table = Table(box=None, padding=(0, 2))
    table.add_column("label")
    for column in ("photos", *columns):
        table.add_column(column, justify="right")
    for name in sorted(counts, key=lambda name: (name is None, name)):
        shown = "(none)" if name is None else printable(name)
        of_splits = [f"{in_split[name, column]}" for column in columns]
        table.add_row(shown, f"{counts[name]}", *of_splits)
    echo_table(table)
    echo(f"{len(names)} photos, {listing.ignored} other files")
    if skipped := listing.skipped_by_kind:
        echo(f"Skipped {sum(skipped.values())} {by_kind(skipped)}")
