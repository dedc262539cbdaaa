"""What a Keras file has instead of one complete MobileNetV2 of alpha 1.0.

Messages continue «FILE …».
"""

import re
from typing import Any

from fruits.model.hdf5 import Stored, settings_in
from fruits.model.trunk import trunk

EXTRACT = "save the MobileNetV2 alone, with base.save('base.keras'), and pass that"
EXPECTED = "pass a MobileNetV2 with alpha 1.0, as of keras.applications"
_ARCHITECTURES = re.compile(
    r"mobile_?net_?v[134]\w*|mobilenet_[\d.]+\w*|efficientnet_?v?\w*|resnet_?\w*|vgg_?1[69]\w*"
    r"|densenet_?\w*|inception\w*|xception\w*|nasnet\w*|convnext\w*|regnet\w*|vit_\w+",
    re.IGNORECASE,
)


def what_it_has(stored: list[Stored], copies: dict[float, int], names: list[str]) -> str:
    """Why a file is refused, given how many MobileNetV2s of each alpha it has, and its names."""
    found = [alpha for alpha, count in copies.items() if count]
    if len(found) == 1 and copies[found[0]] == 1:
        return f"has a MobileNetV2 with alpha {found[0]:g}: {EXPECTED}"
    if found:
        return f"has {sum(copies.values())} MobileNetV2s: {EXTRACT}"
    return _changed(stored) or _other(stored, names)


def _changed(stored: list[Stored]) -> str | None:
    by_name: dict[str, Stored] = {}
    for layer in stored:
        by_name.setdefault(layer.name.removeprefix("quant_"), layer)
    known = [(layer, by_name[layer.name]) for layer in trunk() if layer.name in by_name]
    if len(known) < len(trunk()) // 2:
        return None
    if any("lora" in kind for layer in stored for kind in layer.weights):
        return (
            "has weights of LoRA beside those of MobileNetV2: save it with "
            "model.save('model.keras'), which merges them, and pass that"
        )
    if any(layer.name.startswith("quant_") for layer in stored):
        return "has a quantized MobileNetV2: pass the model from before quantization"
    first = by_name["Conv1"].shapes if "Conv1" in by_name else ()
    if first and len(first[0]) == 4 and first[0][2] != 3:
        return f"has a MobileNetV2 for photos of {first[0][2]} channels, not red, green and blue"
    same = sum(own.shapes == layer.shapes for layer, own in known)
    return (
        f"has a MobileNetV2 that is incomplete or changed (of its {len(trunk())} layers with "
        f"weights, {same} are as expected): {EXPECTED}"
    )


def _other(stored: list[Stored], names: list[str]) -> str:
    if not stored:
        return "has no weights: save the model with model.save('model.keras'), and pass that"
    others = [match[0] for name in names for match in _ARCHITECTURES.finditer(name)]
    has = others[0] if others else f"another model, of {len(stored)} layers with weights"
    return f"has no weights of MobileNetV2, but {has}: {EXPECTED}"


def what_was_changed(config: dict[str, Any] | None, names: dict[str, str]) -> str | None:
    """What a config says that its MobileNetV2 computes differently, if anything.

    `names` are those of the layers in the config, with Keras' names for them.
    """
    halving = {"Conv1", *(f"block_{number}_depthwise" for number in (1, 3, 6, 13))}
    changed: dict[str, str] = {}
    right = set()
    for settings in settings_in(config):
        own = str(settings.get("name"))
        if own not in names:
            continue
        stride = 2 if names[own] in halving else 1
        expected = {
            "activation": ("linear",),
            "dilation_rate": (1, [1, 1]),
            "epsilon": (0.001,),
            "strides": (stride, [stride, stride]),
        }
        wrong = [k for k, values in expected.items() if k in settings and settings[k] not in values]
        if wrong:
            changed[own] = f"{wrong[0]} {settings[wrong[0]]}, not {expected[wrong[0]][0]}"
        else:
            right.add(own)
    # Models around it may have layers of the same names.
    for own in [own for own in changed if own not in right]:
        return f"has a MobileNetV2 that was changed (layer {own}: {changed[own]}): {EXPECTED}"
    return None
