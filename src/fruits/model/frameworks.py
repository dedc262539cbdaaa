"""OpenVINO and Keras, imported so that nothing around this package changes what they compute."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fruits.errors import EngineError

_CONVERTER = "openvino.tools.ovc"


def import_openvino() -> Any:
    """Imports OpenVINO without its telemetry, and its model converter not before it is used.

    The telemetry reports each import to an analytics service, without asking for consent. The
    converter, which makes `openvino.convert_model`, takes most of the time of the import.
    """
    # None makes the import fail, which OpenVINO handles.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    if "openvino" in sys.modules or _CONVERTER in sys.modules:
        import openvino

        return openvino
    sys.modules[_CONVERTER] = None  # type: ignore[assignment]
    try:
        import openvino
    finally:
        del sys.modules[_CONVERTER]

    def later(name: str) -> Any:
        if name == "convert_model":
            return import_module(_CONVERTER).convert_model
        raise AttributeError(f"module 'openvino' has no attribute {name!r}")

    openvino.__getattr__ = later
    return openvino


def import_keras() -> Any:
    """Imports Keras with TensorFlow, without reading or writing settings in the user's home.

    Raises:
        EngineError: this process uses Keras with another backend.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    former = {name: os.environ.get(name) for name in ("KERAS_HOME", "KERAS_BACKEND")}
    with tempfile.TemporaryDirectory() as home:
        os.environ.update(KERAS_HOME=home, KERAS_BACKEND="tensorflow")
        try:
            import keras
        finally:
            for name, value in former.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
    if keras.config.backend() != "tensorflow":
        raise EngineError(
            f"Keras runs on {keras.config.backend()} in this process: use --engine openvino, or "
            "start anew with KERAS_BACKEND=tensorflow"
        )
    return keras


@contextmanager
def plain_keras() -> Iterator[Any]:
    """Keras in float32 and channels-last, whatever this process uses it with before and after."""
    keras = import_keras()
    config = keras.config
    floatx, data_format = config.floatx(), config.image_data_format()
    policy = config.dtype_policy()
    try:
        config.set_floatx("float32")
        config.set_image_data_format("channels_last")
        config.set_dtype_policy("float32")
        yield keras
    finally:
        config.set_floatx(floatx)
        config.set_image_data_format(data_format)
        config.set_dtype_policy(policy)


DEPTH_LAYERS = ("block_13_expand_relu", "block_16_expand_relu")
"""The layers whose averages are outputs of the network, besides the last one's (`load.DEPTHS`)."""


def with_depths(trunk: Any) -> Any:
    """The trunk with one output of float32[n, 2816]: the averages of three layers, side by side."""
    with plain_keras() as keras:
        average = keras.layers.GlobalAveragePooling2D
        averages = [average()(trunk.get_layer(name).output) for name in DEPTH_LAYERS]
        return keras.Model(trunk.input, keras.layers.Concatenate()([*averages, trunk.output]))


def build(weights: str | os.PathLike[str] | None = None) -> Any:
    """The MobileNetV2 trunk as built by Keras, with the weights in a file, or with random ones."""
    with plain_keras() as keras:
        model = keras.applications.MobileNetV2(
            include_top=False, pooling="avg", weights=None, input_shape=(224, 224, 3)
        )
        if weights is not None:
            model.load_weights(weights)
    return model


def probes() -> NDArray[np.float32]:
    """float32[3, 224, 224, 3] in [-1, 1]: the photos that engines are checked with.

    Noise, coarse patches, and a gradient; always the same.
    """
    random = np.random.Generator(np.random.PCG64(0))
    noise = random.uniform(-1, 1, (224, 224, 3))
    patches = random.uniform(-1, 1, (7, 7, 3)).repeat(32, axis=0).repeat(32, axis=1)
    return np.stack([noise, patches, gradient()]).astype(np.float32)


def gradient() -> NDArray[np.float32]:
    """The last of `probes`, float32[224, 224, 3], without importing `numpy.random`."""
    steps = np.linspace(-1, 1, 224, dtype=np.float32)
    return np.stack(np.broadcast_arrays(steps[:, None], steps, -steps[:, None]), axis=-1)
