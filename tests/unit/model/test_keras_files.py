"""Weights of MobileNetV2 are read out of any Keras file that has them."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras_models import MODELS, branches, flat, mobilenet, nested, other_layers_around

from fruits.errors import WeightsError
from fruits.model.keras_files import read_trunk
from fruits.model.trunk import ALPHAS, trunk

# Of Keras, about its own use of numpy.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")


@pytest.fixture(scope="module")
def base() -> Any:
    return mobilenet()


def save(model: Any, path: Path) -> Path:
    """Saves a model, or only its weights if the file is called so."""
    (model.save_weights if path.name.endswith(".weights.h5") else model.save)(path)
    return path


def assert_same(path: Path, base: Any) -> None:
    """The file gives exactly the weights of the trunk of `base`."""
    found = read_trunk(path)
    wanted = [layer for layer in base.layers if layer.name in found]
    assert len(wanted) == len(found) == len(trunk())
    for layer in wanted:
        for one, other in zip(found[layer.name], layer.get_weights(), strict=True):
            np.testing.assert_array_equal(one, np.asarray(other, np.float32), layer.name)


@pytest.mark.parametrize("make", MODELS)
def test_the_trunk_is_found_in_models_of_all_kinds(
    tmp_path: Path, base: Any, make: Callable[[Any], Any]
) -> None:
    model = make(base)
    for name in ("m.keras", "m.h5", "m.weights.h5"):
        if name != "m.h5" or make.__name__ != "subclassed":  # Keras can't, either
            assert_same(save(model, tmp_path / name), base)


def forget_names(path: Path) -> None:
    """Makes a file like those of Keras before 3.9, which number layers and don't name them."""

    def forget(_: str, item: Any) -> None:
        if "name" in item.attrs:
            del item.attrs["name"]

    with h5py.File(path, "r+") as file:
        file.visititems(forget)


def repack(path: Path, change: Callable[[Path], None]) -> None:
    """Changes the weights in a .keras file, and compresses it, as programs other than Keras do."""
    folder = path.with_suffix("")
    shutil.unpack_archive(path, folder, "zip")
    change(folder / "model.weights.h5")
    path.unlink()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("metadata.json", "config.json", "model.weights.h5"):
            archive.write(folder / name, name)


@pytest.mark.parametrize("make", [nested, other_layers_around])
def test_numbered_layers_are_found_by_their_order(
    tmp_path: Path, base: Any, make: Callable[[Any], Any]
) -> None:
    path = save(make(base), tmp_path / "m.weights.h5")
    forget_names(path)
    assert_same(path, base)


def test_numbered_layers_between_others_are_found_by_the_config(tmp_path: Path, base: Any) -> None:
    model = branches(base)
    whole = save(model, tmp_path / "m.keras")
    repack(whole, forget_names)
    assert_same(whole, base)
    alone = save(model, tmp_path / "m.weights.h5")
    forget_names(alone)
    with pytest.raises(WeightsError, match=r"can't be told from others: save the MobileNetV2"):
        read_trunk(alone)


def as_keras_2(path: Path, name: Callable[[str], str]) -> None:
    """Rewrites a legacy file with names as of Keras 2, or of its predecessors."""
    with h5py.File(path, "r+") as file:
        root = file["model_weights"]
        layers = [layer for layer in root.attrs["layer_names"] if root[layer].keys()]
        for layer in layers:
            weights = []
            for old in list(root[layer].attrs["weight_names"]):
                kind = old.rpartition("/")[2]
                if kind == "kernel" and "depthwise" in layer:
                    kind = "depthwise_kernel"
                weights.append(f"{name(layer)}/{kind}:0")
                root.move(f"{layer}/{old}", f"{layer}/{weights[-1]}")
            root[layer].attrs["weight_names"] = [text.encode() for text in weights]
            root.move(layer, f"moved {layer}")
        for layer in layers:
            root.move(f"moved {layer}", name(layer))
        root.attrs["layer_names"] = [name(layer).encode() for layer in layers]


@pytest.mark.parametrize("prefix", ["", "left_", "numbered"])
def test_names_as_of_keras_2_or_changed_by_their_user(
    tmp_path: Path, base: Any, prefix: str
) -> None:
    model = flat(base)
    order = [layer.name for layer in model.layers]
    path = save(model, tmp_path / "m.h5")
    as_keras_2(path, lambda n: f"{order.index(n)}_l" if prefix == "numbered" else prefix + n)
    assert_same(path, base)


@pytest.mark.parametrize("options", [{"include_top": True, "classes": 5}, {"name": "eyes"}])
def test_a_top_and_a_name_change_nothing(tmp_path: Path, options: dict[str, Any]) -> None:
    model = mobilenet(**options)
    assert_same(save(model, tmp_path / "m.keras"), model)


@pytest.mark.parametrize("policy", ["mixed_float16", "float16", "bfloat16"])
def test_weights_in_low_or_mixed_precision(tmp_path: Path, policy: str) -> None:
    keras.config.set_dtype_policy(policy)
    try:
        base = mobilenet()
        model = nested(base)
    finally:
        keras.config.set_dtype_policy("float32")
    for name in ("m.keras", "m.h5", "m.weights.h5"):
        assert_same(save(model, tmp_path / name), base)


def test_lora_is_merged_by_keras_or_refused(tmp_path: Path) -> None:
    base = mobilenet()
    layer = base.get_layer("Conv1")
    layer.enable_lora(2)
    for weight in (layer.lora_kernel_a, layer.lora_kernel_b):
        weight.assign(np.ones(weight.shape))
    merged = np.asarray(layer.kernel)
    found = read_trunk(save(base, tmp_path / "m.keras"))
    np.testing.assert_array_equal(found["Conv1"][0], merged)
    with pytest.raises(WeightsError, match=r"m\.h5 has weights of LoRA .*model\.save"):
        read_trunk(save(base, tmp_path / "m.h5"))


def test_two_mobilenets_are_refused(tmp_path: Path, base: Any) -> None:
    keep = keras.layers
    other = mobilenet(name="other")
    other.get_layer("Conv_1_bn").set_weights([np.ones(1280)] * 4)  # the only difference
    inputs = keras.Input(base.input_shape[1:])
    pooled = [keep.GlobalAveragePooling2D()(model(inputs)) for model in (base, other)]
    model = keras.Model(inputs, keep.Concatenate()(pooled))
    for name in ("m.keras", "m.h5", "m.weights.h5"):
        with pytest.raises(WeightsError, match=r"has 2 MobileNetV2s: save the MobileNetV2 alone"):
            read_trunk(save(model, tmp_path / name))


def test_a_mobilenet_shared_by_two_models_is_one(tmp_path: Path, base: Any) -> None:
    keep = keras.layers
    inner = keras.Model(base.input, [base.get_layer("block_6_expand").output, base.output])
    inputs = keras.Input(base.input_shape[1:])
    pooled = [keep.GlobalAveragePooling2D()(x) for x in (base(inputs), *inner(inputs))]
    model = keras.Model(inputs, keep.Concatenate()(pooled))
    for name in ("m.keras", "m.h5", "m.weights.h5"):
        assert_same(save(model, tmp_path / name), base)


def test_another_layer_may_have_a_name_of_the_trunk(tmp_path: Path, base: Any) -> None:
    inputs = keras.Input(base.input_shape[1:])
    model = keras.Model(inputs, base(keras.layers.Conv2D(3, 1, name="Conv1")(inputs)))
    for name in ("m.keras", "m.h5", "m.weights.h5"):
        assert_same(save(model, tmp_path / name), base)


def test_what_else_a_keras_file_has_is_said(tmp_path: Path, base: Any) -> None:
    build = keras.applications
    options = {"include_top": False, "weights": None}
    inner = base.get_layer("block_13_expand_relu").output
    dense = keras.Sequential([keras.Input((8,)), keras.layers.Dense(3)])
    models = {
        "MobileNetV2 with alpha 0.75: pass": build.MobileNetV2(
            alpha=0.75, input_shape=(96, 96, 3), **options
        ),
        "MobileNetV2 for photos of 1 channels": build.MobileNetV2(
            input_shape=(96, 96, 1), **options
        ),
        "incomplete or changed .of its 104": keras.Model(base.input, inner),
        "no weights of MobileNetV2, but mobilenet_1.00": build.MobileNet(**options),
        "no weights of MobileNetV2, but MobileNetV3Small": build.MobileNetV3Small(**options),
        "another model, of 1 layers": dense,
    }
    for message, model in models.items():
        for name in ("m.keras", "m.h5", "m.weights.h5"):
            with pytest.raises(WeightsError, match=rf"{name} has .*{message}"):
                read_trunk(save(model, tmp_path / name))


def change(path: Path, layer: str, values: Any) -> None:
    with h5py.File(path, "r+") as file:
        for name in list(file["layers"]):
            if file[f"layers/{name}/vars"].attrs.get("name") == layer:
                del file[f"layers/{name}/vars/0"]
                file[f"layers/{name}/vars/0"] = values


def test_quantized_and_infinite_weights_are_refused(tmp_path: Path, base: Any) -> None:
    path = save(base, tmp_path / "m.weights.h5")
    kernel = np.ones(base.get_layer("Conv_1").kernel.shape)
    change(path, "Conv_1", kernel.astype(np.int8))
    with pytest.raises(WeightsError, match=r"layer Conv_1 is quantized \(int8\): pass"):
        read_trunk(path)
    change(path, "Conv_1", np.full_like(kernel, np.nan))
    with pytest.raises(WeightsError, match=r"layer Conv_1 has weights that are not finite"):
        read_trunk(path)


def test_weights_in_another_file_are_not_followed(tmp_path: Path, base: Any) -> None:
    path = save(base, tmp_path / "m.weights.h5")
    (tmp_path / "secret").write_bytes(bytes(4 * 320 * 1280))
    with h5py.File(path, "r+") as file:
        del file["layers/conv2d_34/vars/0"]
        file["layers/conv2d_34/vars"].create_dataset(
            "0", (1, 1, 320, 1280), "f4", external=str(tmp_path / "secret")
        )
    with pytest.raises(WeightsError, match="Conv_1 is stored in another file"):
        read_trunk(path)


def test_a_changed_network_is_refused(tmp_path: Path, base: Any) -> None:
    def change(layer: Any) -> Any:
        settings = layer.get_config()
        if layer.name == "block_6_depthwise":
            settings.update(strides=(1, 1), padding="same")
        return type(layer).from_config(settings)

    dilated = keras.models.clone_model(flat(base), clone_function=change)
    with pytest.raises(WeightsError, match=r"changed \(layer block_6_depthwise: strides \[1, 1\]"):
        read_trunk(save(dilated, tmp_path / "m.keras"))


def test_code_in_a_file_is_not_executed(tmp_path: Path, base: Any) -> None:
    flag = tmp_path / "executed"

    def scale(photos: Any) -> Any:
        flag.touch()
        return photos

    model = keras.Sequential([keras.Input(base.input_shape[1:]), keras.layers.Lambda(scale), base])
    flag.unlink()
    for name in ("m.keras", "m.h5"):
        assert_same(save(model, tmp_path / name), base)
    assert not flag.exists()


@pytest.mark.parametrize("alpha", ALPHAS)
def test_the_layers_are_those_of_keras(alpha: float) -> None:
    model = keras.applications.MobileNetV2(
        include_top=False, weights=None, alpha=alpha, input_shape=(96, 96, 3)
    )
    layers = [layer for layer in model.layers if layer.weights]
    assert [layer.name for layer in trunk(alpha)] == [layer.name for layer in layers]
    for one, other in zip(trunk(alpha), layers, strict=True):
        assert one.shapes == tuple(tuple(weight.shape) for weight in other.weights)
