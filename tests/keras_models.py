"""Models that people make of MobileNetV2. `base` is one without a top; its weights all differ."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

SIZE = 96
"""Weights do not depend on the size of photos, and small ones are quick."""


def mobilenet(**options: Any) -> Any:
    """MobileNetV2 with weights that are all different."""
    options = {"include_top": False, "weights": None, "input_shape": (SIZE, SIZE, 3), **options}
    model = keras.applications.MobileNetV2(**options)
    random = np.random.default_rng(0)
    for layer in model.layers:
        layer.set_weights([random.uniform(0.5, 1, value.shape) for value in layer.get_weights()])
    return model


def alone(base: Any) -> Any:
    return base


def flat(base: Any) -> Any:
    pooled = keras.layers.GlobalAveragePooling2D()(base.output)
    return keras.Model(base.input, keras.layers.Dense(4)(pooled))


def nested(base: Any) -> Any:
    pool = keras.layers.GlobalAveragePooling2D()
    return keras.Sequential([keras.Input((SIZE, SIZE, 3)), base, pool, keras.layers.Dense(4)])


def augmented_and_frozen(base: Any) -> Any:
    base.trainable = False
    inputs = keras.Input((SIZE, SIZE, 3))
    flipped = keras.layers.RandomFlip("horizontal")(inputs)
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1)(flipped)
    pooled = keras.layers.GlobalAveragePooling2D()(base(scaled, training=False))
    return keras.Model(inputs, keras.layers.Dense(4)(pooled))


def nested_twice(base: Any) -> Any:
    inner = keras.Sequential([keras.Input((SIZE, SIZE, 3)), base], name="inner")
    return nested(inner)


def other_layers_around(base: Any) -> Any:
    """The same layers before and after the trunk, in the same model: numbered names shift."""
    own = keras.layers
    inputs = keras.Input((SIZE, SIZE, 3))
    x = own.BatchNormalization()(own.Conv2D(3, 1)(inputs))
    x = own.BatchNormalization()(own.DepthwiseConv2D(3, padding="same", use_bias=False)(x))
    x = own.BatchNormalization()(own.Conv2D(32, 1, use_bias=False)(x))
    x = own.Conv2D(3, 1, use_bias=False)(x)
    grown = mobilenet(input_tensor=x, input_shape=None)
    for layer in base.layers:
        if layer.weights:
            grown.get_layer(layer.name).set_weights(layer.get_weights())
    x = own.BatchNormalization()(own.Conv2D(1280, 1, use_bias=False)(grown.output))
    return keras.Model(inputs, own.Dense(4)(own.GlobalAveragePooling2D()(x)))


def branches(base: Any) -> Any:
    """As for segmentation: convolutions on maps from inside the trunk, between its own layers."""
    own = keras.layers
    taps = []
    for name in ("block_3_expand_relu", "block_6_expand_relu", "block_13_expand_relu"):
        x = own.Conv2D(8, 1, use_bias=False)(base.get_layer(name).output)
        for _ in range(3):
            x = own.BatchNormalization()(own.Conv2D(8, 3, padding="same", use_bias=False)(x))
        taps.append(own.GlobalAveragePooling2D()(x))
    taps.append(own.GlobalAveragePooling2D()(base.output))
    return keras.Model(base.input, own.Dense(4)(own.Concatenate()(taps)))


def wrapped(base: Any) -> Any:
    """For frames of videos."""
    frames = keras.layers.TimeDistributed(base)
    return keras.Sequential([keras.Input((2, SIZE, SIZE, 3)), frames, keras.layers.Flatten()])


def with_optimizer(base: Any) -> Any:
    base.trainable = True
    model = nested(base)
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)  # momenta, of the same shapes as weights
    return model


@keras.saving.register_keras_serializable("fruits_tests")
class Subclassed(keras.Model):  # type: ignore[misc]
    """A model that only its author's code can build."""

    def __init__(self, base: Any = None, **options: Any):
        super().__init__(**options)
        self.stem = keras.layers.Conv2D(3, 1)
        self.trunk = base
        self.head = [keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(4)]

    def call(self, photos: Any) -> Any:
        x = self.trunk(self.stem(photos))
        for layer in self.head:
            x = layer(x)
        return x

    def get_config(self) -> dict[str, Any]:
        return {}


def subclassed(base: Any) -> Any:
    model = Subclassed(base)
    model(np.zeros((1, SIZE, SIZE, 3), np.float32))
    return model


MODELS: list[Callable[[Any], Any]] = [
    alone,
    flat,
    nested,
    augmented_and_frozen,
    nested_twice,
    other_layers_around,
    branches,
    wrapped,
    with_optimizer,
    subclassed,
]
