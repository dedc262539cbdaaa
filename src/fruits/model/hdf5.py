"""The layers and weights in an HDF5 file that Keras wrote, of any of its layouts, as data only.

Keras 3 (and Keras 2's `.keras`) numbers layers by class and weights by position:
`layers/functional/layers/conv2d_7/vars/0`; since 3.9 or so, an attribute keeps the layer's name.
Keras 2, and Keras 3 for a file called `.h5`, name both:
`model_weights/mobilenetv2_1.00_224/block_3_expand/kernel:0`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from fruits.model.trunk import Shapes

_NORMALIZATION = ("gamma", "beta", "moving_mean", "moving_variance")
_KERNELS = ("kernel", "depthwise_kernel")


@dataclass
class Stored:
    """A layer in a file."""

    path: str
    name: str
    container: str  # the path of the model that it is part of, where layers are numbered
    order: tuple[int, ...]  # in its container; where layers are numbered, among those of its class
    weights: dict[str, h5py.Dataset] = field(default_factory=dict)

    @property
    def shapes(self) -> Shapes:
        """The shapes of its weights, in Keras' order; () if they are not of a kind in the trunk."""
        for names in (_NORMALIZATION, *((name,) for name in _KERNELS)):
            if set(self.weights) == set(names):
                return tuple(self.weights[name].shape for name in names)
        if set(self.weights) in ({"0"}, {"0", "1", "2", "3"}):
            return tuple(self.weights[name].shape for name in sorted(self.weights))
        return ()

    def values(self) -> list[NDArray[np.float32]]:
        """Its weights, in Keras' order.

        Raises:
            ValueError: they are not finite floating-point numbers; the message continues «a model».
        """
        names = _NORMALIZATION if "gamma" in self.weights else sorted(self.weights)
        return [_values(self.name, self.weights[name]) for name in names]


def layers(file: h5py.File, config: dict[str, Any] | None) -> list[Stored]:
    """All layers with weights in a file, without those of the optimizer.

    `config` is that of the model, if the file came with one.
    """
    found: dict[str, Stored] = {}
    legacy = _legacy_order(file.get("model_weights", file))
    names = _config_names(config or {}, "")

    def note(path: str, item: Any) -> None:
        parent, _, kind = path.rpartition("/")
        if not isinstance(item, h5py.Dataset) or not parent:
            return
        if parent.endswith("/vars"):
            layer = parent.removesuffix("/vars")
            container, _, numbered = layer.rpartition("/")
            group = item.parent
            name = group.attrs.get("name") or names.get(layer) or numbered
            digits = re.search(r"_(\d+)$", numbered)
            order: tuple[int, ...] = (int(digits[1]) if digits else 0,)
        else:
            layer = parent
            container = ""
            kind = kind.partition(":")[0]
            name = parent.rpartition("/")[2]
            order = legacy.get(path, (len(legacy),))
        stored = found.setdefault(layer, Stored(layer, str(name), container, order))
        stored.weights[kind] = item

    root = file.get("model_weights", file)
    for top in root:
        # Links out of the file are not followed: neither here nor by visititems.
        if not isinstance(root.get(top, getlink=True), h5py.HardLink):
            continue
        if top not in ("optimizer", "optimizer_weights") and isinstance(root[top], h5py.Group):
            root[top].visititems(lambda path, item, top=top: note(f"{top}/{path}", item))
    return list(found.values())


def names(file: h5py.File, config: dict[str, Any] | None) -> list[str]:
    """All names of models and layers in a file and its config."""
    found = [str(settings.get("name")) for settings in settings_in(config)]

    def note(path: str, item: Any) -> None:
        if isinstance(item, h5py.Group):
            found.append(str(item.attrs.get("name", path.rpartition("/")[2])))

    file.visititems(note)
    return found


def settings_in(config: Any) -> Iterator[dict[str, Any]]:
    """The settings of all layers in a config, at any depth."""
    waiting = [config]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if isinstance(item.get("config"), dict):
                yield item["config"]
            waiting.extend(reversed(item.values()))
        elif isinstance(item, list):
            waiting.extend(reversed(item))


def _legacy_order(root: h5py.Group) -> dict[str, tuple[int, ...]]:
    """The position of each weight of a file that names them, by its path."""
    order: dict[str, tuple[int, ...]] = {}
    for i, layer in enumerate(_attribute(root, "layer_names")):
        if isinstance(root.get(layer), h5py.Group):
            for j, weight in enumerate(_attribute(root[layer], "weight_names")):
                order[f"{layer}/{weight}"] = (i, j)
    return order


def _attribute(group: h5py.Group, name: str) -> Iterator[str]:
    """A list of names; long ones are split over several attributes."""
    chunks = [name] if name in group.attrs else []
    while f"{name}{len(chunks)}" in group.attrs:
        chunks.append(f"{name}{len(chunks)}")
    for chunk in chunks:
        for value in group.attrs[chunk]:
            yield value.decode("utf8", "replace") if isinstance(value, bytes) else str(value)


def _config_names(config: dict[str, Any], path: str) -> dict[str, str]:
    """The names of the layers in a model's config, by the paths that Keras 3 numbers them with."""
    names: dict[str, str] = {}
    inner = config.get("config")
    if not isinstance(inner, dict):
        return names
    if isinstance(inner.get("layer"), dict):  # a wrapper, such as TimeDistributed
        names |= _config_names(inner["layer"], f"{path}layer/")
    counts: dict[str, int] = {}
    for layer in inner["layers"] if isinstance(inner.get("layers"), list) else []:
        if not isinstance(layer, dict):
            continue
        kind = _snake(str(layer.get("class_name")))
        number = counts[kind] = counts.get(kind, -1) + 1
        own = f"{path}layers/{kind}_{number}" if number else f"{path}layers/{kind}"
        settings = layer.get("config")
        if isinstance(settings, dict):
            names[own] = str(settings.get("name") or layer.get("name") or kind)
        names |= _config_names(layer, f"{own}/")
    return names


def _snake(name: str) -> str:
    """The name of a class as Keras 3 writes it into files."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _values(name: str, item: h5py.Dataset) -> NDArray[np.float32]:
    if item.external or item.is_virtual:
        raise ValueError(f"whose layer {name} is stored in another file: save it in one file")
    raw = item[()]
    if raw.dtype.kind == "V" and raw.dtype.itemsize == 2:
        # bfloat16, the upper half of a float32: HDF5 has no type for it.
        raw = (raw.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    if raw.dtype.kind != "f":
        raise ValueError(
            f"whose layer {name} is quantized ({raw.dtype}): pass the model from before that"
        )
    values: NDArray[np.float32] = raw.astype(np.float32)
    if not np.isfinite(values).all():
        raise ValueError(
            f"whose layer {name} has weights that are not finite, as when training diverges: "
            "pass a checkpoint from before that"
        )
    return values
