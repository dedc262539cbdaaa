"""What a run has featurized and not yet committed, so that a killed run loses little.

`staging/GENERATION/made.json` says with which model; beside it lies a Parquet folder a finished
Spark job. The next run takes from it what is still wanted. A commit removes it.
"""

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fruits.featurize import COLUMNS
from fruits.model import Model
from fruits.results import MADE_WITH, SOURCES, Results, read_parquet
from fruits.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_MADE = "made.json"


@dataclass(frozen=True)
class Leftovers:
    """Features that killed runs left: the rows, and path and version of each."""

    rows: "DataFrame"
    sources: pa.Table


@dataclass
class Staging:
    """The staged rows (see `featurize.SCHEMA`) of this run and, if any, of killed ones."""

    spark: "SparkSession"
    results: Results
    model: Model
    settings: Settings
    path: str = ""
    chunks: list[str] = field(default_factory=list)

    def leftovers(self) -> Leftovers | None:
        """Features that killed runs left, if they were made as this run makes them."""
        folder = self.results.folder
        found = []
        for name in folder.names("staging"):
            path = f"staging/{name}"
            if folder.read_if_there(f"{path}/{_MADE}") != self._made():
                continue
            if self.results.is_nobodys(name):
                self.results.scratch.append(path)
            for chunk in folder.names(path):
                if chunk != _MADE and "_SUCCESS" in folder.names(f"{path}/{chunk}"):
                    found.append(folder.uri(f"{path}/{chunk}"))
        if not found:
            return None
        rows = read_parquet(self.spark, *found).where("reason is null")
        rows = rows.dropDuplicates(SOURCES.names)
        return Leftovers(rows, rows.select(*SOURCES.names).toArrow().cast(SOURCES))

    def add(self, rows: "DataFrame") -> None:
        """Computes rows and keeps them."""
        folder = self.results.folder
        if not self.path:
            self.path = self.results.new("staging")
            self.results.scratch.append(self.path)
            folder.write(f"{self.path}/{_MADE}", self._made())
        chunk = folder.uri(f"{self.path}/{len(self.chunks):05d}")
        rows.write.parquet(chunk)
        self.chunks.append(chunk)

    def rows(self) -> "DataFrame":
        """What this run added."""
        if not self.chunks:
            return self.spark.createDataFrame([], COLUMNS)
        return read_parquet(self.spark, *self.chunks)

    def discard(self) -> None:
        """Removes what this run added."""
        if self.path:
            self.results.folder.delete(self.path)

    def _made(self) -> bytes:
        made = {"model": self.model.facts, **self.made_with}
        return json.dumps(made, sort_keys=True).encode()

    @property
    def made_with(self) -> dict[str, Any]:
        """The settings that the rows depend on, as the manifest has them."""
        return {name: getattr(self.settings, name) for name in MADE_WITH}
