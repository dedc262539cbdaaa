"""The section «Look at these» of the report: what it shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fruits.results.store import Results
from fruits.suspects.table import DUPLICATE, LABEL, OUTLIER
from fruits.suspects.update import read_suspects

_SHOWN = 12
"""Rows or groups of each kind; suspects.csv has the others."""
IN_GROUP = 6
"""Photos of each group that are shown."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Suspects:
    """The rows to show, the worst first."""

    groups: list[list[Row]] = field(default_factory=list)
    labels: list[Row] = field(default_factory=list)
    outliers: list[Row] = field(default_factory=list)
    counts: Mapping[str, int] = field(default_factory=dict)  # groups, and rows of the other kinds
    across: int = 0  # groups with several labels

    @property
    def paths(self) -> list[str]:
        """The photos that are shown, each as often as it is."""
        shown = [row["path"] for group in self.groups for row in group[:IN_GROUP]]
        shown += [path for row in self.labels for path in (row["path"], row["nearest"]) if path]
        return shown + [row["path"] for row in self.outliers]


def gather_suspects(store: Results) -> Suspects | None:
    """The suspects to show; None if they were not looked for."""
    table = read_suspects(store)
    if table is None:
        return None
    rows = table.to_pylist()
    by_group: dict[int, list[Row]] = {}
    for row in rows:
        if row["kind"] == DUPLICATE:
            by_group.setdefault(row["group"], []).append(row)
    groups = list(by_group.values())
    labels = [row for row in rows if row["kind"] == LABEL]
    outliers = [row for row in rows if row["kind"] == OUTLIER]
    return Suspects(
        groups[:_SHOWN],
        labels[:_SHOWN],
        outliers[: 2 * _SHOWN],
        {"groups": len(groups), "labels": len(labels), "outliers": len(outliers)},
        sum(bool(group[0]["across_labels"]) for group in groups),
    )
