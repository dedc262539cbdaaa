"""Weights of MobileNetV2's trunk, out of any Keras file that has them; nothing in it is executed.

The trunk may be the whole model, a part of one (`Model(base.input, head(base.output))`), or a model
nested in others. Its layers are recognized by their names, and, in files without names, by
their order and the shapes of their weights.
"""

import json
import re
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
from fruits.model.foreign import what_else
from fruits.model.hdf5 import Stored, layers
from fruits.model.trunk import ALPHAS, Layer, is_depthwise, trunk

Trunk = dict[str, list[NDArray[np.float32]]]
"""The weights of each layer of the trunk, by its name, in Keras' order."""

_WEIGHTS = "model.weights.h5"
_EXTRACT = "save the MobileNetV2 alone, with base.save('base.keras'), and pass that"
_EXPECTED = "needed is a MobileNetV2 with alpha 1.0"
_ARCHITECTURES = re.compile(
    r"mobile_?net_?v?[134]\w*|mobilenet_[\d.]+\w*|efficientnet_?v?\w*|resnet_?\w*|vgg_?1[69]\w*"
    r"|densenet_?\w*|inception\w*|xception\w*|nasnet\w*|convnext\w*|regnet\w*|vit_\w+",
    re.IGNORECASE,
)


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
            return _trunk_of(layers(file, config), config)
    except _Refused as reason:
        raise WeightsError(f"{path} {reason}") from None
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        # What h5py and zipfile raise about damaged files.
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(
            f"{path} is damaged ({reason}): copy it again from where it was saved"
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
                if not member:
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


def _trunk_of(stored: list[Stored], config: dict[str, Any] | None) -> Trunk:
    # A file that has the shapes of two has two, whatever they are called.
    shapes = Counter(layer.shapes for layer in stored)
    copies = {alpha: _copies(shapes, trunk(alpha)) for alpha in ALPHAS}
    if copies[1.0] != 1 or sum(copies.values()) != 1:
        raise _Refused(_what_it_has(stored, copies, config))
    found = _by_name(stored) or _by_order(stored)
    if found is None:
        raise _Refused(f"has a MobileNetV2 whose layers can't be told from others: {_EXTRACT}")
    _check_config(config, found)
    try:
        return {name: layer.values() for name, layer in found.items()}
    except ValueError as error:
        raise _Refused(
            f"has a MobileNetV2 that can't be used, as {error}; {_EXPECTED} and float weights"
        ) from None


def _copies(shapes: Counter[layouts.Shapes], wanted: list[Layer]) -> int:
    needed = Counter(layer.shapes for layer in wanted)
    return min(shapes[shape] // count for shape, count in needed.items())


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


def _check_config(config: dict[str, Any] | None, found: dict[str, Stored]) -> None:
    """Refuses what has MobileNetV2's weights but, says its config, computes something else."""
    names = {layer.name for layer in found.values()}
    for settings in _settings(config):
        if settings.get("name") in names:
            epsilon = settings.get("epsilon", 1e-3)
            if not isinstance(epsilon, int | float) or abs(epsilon - 1e-3) > 1e-6:
                raise _Refused(
                    f"has a MobileNetV2 that was changed (epsilon {epsilon} in the layer "
                    f"{settings['name']}, not 0.001): {_EXPECTED}, as in keras.applications"
                )


def _settings(config: Any) -> Iterator[dict[str, Any]]:
    """The settings of all layers in a config, at any depth."""
    waiting = [config]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if isinstance(item.get("config"), dict):
                yield item["config"]
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _what_it_has(
    stored: list[Stored], copies: dict[float, int], config: dict[str, Any] | None
) -> str:
    """Why a file was refused, continuing «FILE …»."""
    if sum(copies.values()) > 1:
        return f"has {sum(copies.values())} MobileNetV2s: {_EXTRACT}"
    for alpha, count in copies.items():
        if count:
            return f"has a MobileNetV2 with alpha {alpha:g}: {_EXPECTED}"
    if not stored:
        return f"has no weights: {_EXPECTED}, saved with model.save('model.keras')"
    kinds = {kind for layer in stored for kind in layer.weights}
    by_name: dict[str, Stored] = {}
    for layer in stored:
        by_name.setdefault(layer.name.removeprefix("quant_"), layer)
    known = [(layer, by_name[layer.name]) for layer in trunk() if layer.name in by_name]
    if len(known) > len(trunk()) // 2:
        if any("lora" in kind for kind in kinds):
            return (
                "has LoRA's weights beside those of MobileNetV2: save it with "
                "model.save('model.keras'), which merges them, and pass that"
            )
        if any(layer.name.startswith("quant_") for layer in stored):
            return "has a quantized MobileNetV2: pass the model from before quantization"
        first = by_name.get("Conv1")
        channels = first.shapes[0][2] if first and first.shapes else 3
        if channels != 3:
            return f"has a MobileNetV2 for {channels} channels: {_EXPECTED} for 3, red, green, blue"
        same = sum(s.shapes == layer.shapes for layer, s in known)
        return (
            f"has a MobileNetV2 that was changed: {same} of its {len(trunk())} layers with weights "
            f"are as expected; {_EXPECTED}, complete"
        )
    names = [*(layer.name for layer in stored), *(layer.container for layer in stored)]
    names = [str(settings.get("name")) for settings in _settings(config)] + names
    others = [match[0] for name in names for match in _ARCHITECTURES.finditer(name)]
    if others:
        return f"has no weights of MobileNetV2, but those of {others[0]}: {_EXPECTED}"
    convolutions = sum(bool(s.shapes) and len(s.shapes[0]) == 4 for s in stored)
    return (
        f"has no weights of MobileNetV2 (it has {len(stored)} layers with weights, "
        f"{convolutions} of them convolutions): {_EXPECTED}"
    )
