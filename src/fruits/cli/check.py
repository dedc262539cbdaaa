"""`fruits check`: photos to look at."""

from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.table import Table

from fruits import pipeline
from fruits.cli.options import Verb, new_progress, settings_of
from fruits.results.store import SUSPECTS
from fruits.settings import Settings
from fruits.suspects.table import DUPLICATE, LABEL, OUTLIER
from fruits.terminal import echo, echo_table, printable

_SHOWN = 5


@click.command(cls=Verb, example="fruits check results/\nfruits check s3://bucket/results")
@click.argument("results")
@settings_of("max_megapixels", "config")
def check(results: str, settings: Settings) -> None:
    """Photos to look at: near-duplicates, labels that are probably wrong, outliers.

    They are found in stored features, and written to RESULTS/suspects.csv and into the report, the
    worst of each kind first. Photos that are nearly the same are read, if they can be, to tell
    copies from other shots. `run` and `train` do this, too, for up to 10,000 photos; `run` beyond
    2,000 only if a tenth of them is new.
    """
    rows = pipeline.check(results, settings, new_progress()).to_pylist()
    of_kind = {kind: [row for row in rows if row["kind"] == kind] for kind in _TEXTS}
    for kind, found in of_kind.items():
        echo(_summary(kind, found))
        table = Table(box=None, show_header=False, padding=(0, 2))
        for row in found[:_SHOWN]:
            table.add_row(printable(row["path"]), printable(_why(row)), f"{row['score']:.2f}")
        if found:
            echo_table(table)
        if len(found) > _SHOWN:
            echo(f"  and {len(found) - _SHOWN} more")
    where = results.rstrip("/")
    echo(f"CSV     {where}/{SUSPECTS}")
    echo(f"Report  {where}/report.html")


_TEXTS = {
    LABEL: "photos sit among another label's: their labels are probably wrong",
    DUPLICATE: "photos are nearly the same as another",
    OUTLIER: "photos are unlike all others: probably of something else",
}


def _summary(kind: str, found: Sequence[Mapping[str, Any]]) -> str:
    groups = {row["group"]: row["across_labels"] for row in found}
    unit = "group" if len(groups) == 1 else "groups"
    in_groups = f", in {len(groups)} {unit}" if found and kind == DUPLICATE else ""
    across = sum(map(bool, groups.values()))
    return f"{len(found)} {_TEXTS[kind]}{in_groups}" + (
        f" ({across} across labels)" if across else ""
    )


def _why(row: Mapping[str, Any]) -> str:
    if row["kind"] == LABEL:
        return f"{row['label']} -> {row['suggested_label']}?"
    return f"{'like' if row['kind'] == DUPLICATE else 'nearest is'} {row['nearest']}"
