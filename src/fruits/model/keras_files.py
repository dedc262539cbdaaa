"""Weights of MobileNetV2's trunk, out of any Keras file that has them; nothing in it is executed.

The trunk may be the whole model, a part of one (`Model(base.input, head(base.output))`), or a model
nested in others. Its layers are recognized by their names, and, in files without names, by
their order and the shapes of their weights.
"""

import json
import shutil
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fruits.errors import WeightsError
from fruits.model import trunk as layouts
from fruits.model.diagnosis import EXTRACT, what_it_has, what_was_changed
from fruits.model.foreign import what_else
from fruits.model.hdf5 import Stored, layers, names
from fruits.model.trunk import ALPHAS, Layer, is_depthwise, trunk

Trunk = dict[str, list[NDArray[np.float32]]]
"""The weights of each layer of the trunk, by its name, in Keras' order."""

_WEIGHTS = "model.weights.h5"


def read_trunk(path: Path, member: str | None = None) -> Trunk:
    """The weights of the trunk in a Keras file, or in the Keras file `member` of an archive.

    Raises:
        WeightsError: the file is damaged, is not a Keras file, or does not have exactly one
            MobileNetV2 of alpha 1.0; the message says what it has and what to do.
    """
    if not member and (reason := what_else(path)):
        raise WeightsError(f"{path} {reason}")
    try:
        with _hdf5(path, member) as (file, config):
            return _trunk_of(file, config)
    except _Refused as refused:
        raise WeightsError(f"{path} {refused}") from None
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        # What h5py and zipfile raise about damaged files.
        cause = " ".join(str(error).split())[:200]
        raise WeightsError(
            f"{path} is damaged ({cause}): copy it again from where it was saved"
        ) from None


class _Refused(Exception):
    """The file is sound, but can't be used; the message continues «FILE …»."""


@contextmanager
def _hdf5(path: Path, member: str | None) -> Iterator[tuple[h5py.File, dict[str, Any] | None]]:
    """The file of weights and, if there is one, the config of the model."""
    with tempfile.TemporaryDirectory() as folder:
        config: Any = None
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if "config.json" in archive.namelist():
                    config = _json(archive.read("config.json"))
                extracted = Path(folder, _WEIGHTS)
                with archive.open(member or _WEIGHTS) as source, extracted.open("wb") as target:
                    shutil.copyfileobj(source, target)
            path = extracted
        with h5py.File(path, "r") as file:
            if config is None:
                config = _json(file.attrs.get("model_config", "null"))
            yield file, config if isinstance(config, dict) else None


def _json(text: Any) -> Any:
    """The content, or None: names are a help, not a need."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None


def _trunk_of(file: h5py.File, config: dict[str, Any] | None) -> Trunk:
    stored = layers(file, config)
    # A file that has the shapes of two has two, whatever their layers are called.
    shapes = Counter(layer.shapes for layer in stored)
    copies = {alpha: _copies(shapes, trunk(alpha)) for alpha in ALPHAS}
    others = _Refused(what_it_has(stored, copies, names(file, config)))
    if not copies[1.0] or any(copies[alpha] for alpha in ALPHAS[1:]):
        raise others
    if copies[1.0] == 1:
        found = _by_name(stored) or _by_order(stored)
        others = _Refused(f"has a MobileNetV2 whose layers can't be told from others: {EXTRACT}")
    else:
        # In files that name weights, models that share a MobileNetV2 are saved with it each.
        found = _by_name(_distinct(stored))
    if found is None:
        raise others
    if reason := what_was_changed(config, {own.name: name for name, own in found.items()}):
        raise _Refused(reason)
    try:
        return {name: own.values() for name, own in found.items()}
    except ValueError as error:
        raise _Refused(f"has a MobileNetV2 {error}") from None


def _copies(shapes: Counter[layouts.Shapes], wanted: list[Layer]) -> int:
    needed = Counter(layer.shapes for layer in wanted)
    return min(shapes[shape] // count for shape, count in needed.items())


def _distinct(stored: list[Stored]) -> list[Stored]:
    """The layers, without those that have the name and weights of another."""
    kept: list[Stored] = []
    for layer in stored:
        same = [other for other in kept if (other.name, other.shapes) == (layer.name, layer.shapes)]
        if layer.shapes and not any(_equal(layer, other) for other in same):
            kept.append(layer)
    return kept


def _equal(one: Stored, other: Stored) -> bool:
    try:
        pairs = zip(one.values(), other.values(), strict=True)
        return all(np.array_equal(*pair) for pair in pairs)
    except ValueError:
        return False


def _by_name(stored: list[Stored]) -> dict[str, Stored] | None:
    """The layers of the trunk, if each is found once by name.

    People who put two models into one rename layers: a prefix or suffix common to all is ignored.
    """
    wanted = trunk()
    marker = "block_16_project_BN"
    around = {tuple(s.name.split(marker)) for s in stored if s.name.count(marker) == 1}
    for before, after in sorted(around):
        found: dict[str, list[Stored]] = {}
        for layer in stored:
            found.setdefault(layer.name, []).append(layer)
        chosen = {
            layer.name: [
                s for s in found.get(f"{before}{layer.name}{after}", []) if s.shapes == layer.shapes
            ]
            for layer in wanted
        }
        if all(len(candidates) == 1 for candidates in chosen.values()):
            return {name: candidates[0] for name, candidates in chosen.items()}
    return None


def _by_order(stored: list[Stored]) -> dict[str, Stored] | None:
    """The layers of the trunk, if they follow each other in one model and class."""
    groups: dict[tuple[str, str], list[Stored]] = {}
    for layer in sorted(stored, key=lambda layer: layer.order):
        if layer.shapes:
            groups.setdefault((layer.container, _kind(layer.shapes)), []).append(layer)
    wanted: dict[str, list[Layer]] = {}
    for one in trunk():
        wanted.setdefault(_kind(one.shapes), []).append(one)
    found: dict[str, Stored] = {}
    for kind, sequence in wanted.items():
        shapes = [layer.shapes for layer in sequence]
        runs = [
            group[start : start + len(shapes)]
            for (_, of), group in groups.items()
            if of == kind
            for start in range(len(group) - len(shapes) + 1)
            if [layer.shapes for layer in group[start : start + len(shapes)]] == shapes
        ]
        if len(runs) != 1:
            return None
        found |= {layer.name: run for layer, run in zip(sequence, runs[0], strict=True)}
    return found


def _kind(shapes: layouts.Shapes) -> str:
    if len(shapes) > 1:
        return "normalization"
    return "depthwise" if is_depthwise(shapes) else "convolution"
