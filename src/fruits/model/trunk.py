"""The layers of MobileNetV2 up to its features, in order, with the shapes of their weights.

Written down here, instead of asked from Keras, so that a file can be judged before TensorFlow is
loaded, and compared with MobileNetV2s of other widths.
"""

from dataclasses import dataclass

Shapes = tuple[tuple[int, ...], ...]

ALPHAS = (1.0, 0.35, 0.5, 0.75, 1.3, 1.4)
"""The widths that Keras publishes weights for; this package uses the first."""

_BLOCKS = (16, 24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320)
"""Filters of the inverted residual blocks: table 2 of Sandler et al. 2018, arXiv:1801.04381."""


@dataclass(frozen=True)
class Layer:
    """A convolution (one weight, its kernel) or a batch normalization.

    The latter has four weights: gamma, beta, moving mean, moving variance.
    """

    name: str  # as Keras names it
    shapes: Shapes  # of its weights, in Keras' order

    @property
    def is_depthwise(self) -> bool:
        """Whether this is a depthwise convolution."""
        return is_depthwise(self.shapes)


def is_depthwise(shapes: Shapes) -> bool:
    """Whether weights of these shapes are those of one of MobileNetV2's depthwise convolutions."""
    return len(shapes) == 1 and shapes[0][:2] == (3, 3) and shapes[0][3:] == (1,)


def trunk(alpha: float = 1.0) -> list[Layer]:
    """The 104 layers with weights of the MobileNetV2 of that width."""
    layers: list[Layer] = []

    def add(name: str, normalization: str, kernel: tuple[int, ...], filters: int) -> None:
        layers.append(Layer(name, (kernel,)))
        layers.append(Layer(normalization, ((filters,),) * 4))

    width = _divisible(32 * alpha)
    add("Conv1", "bn_Conv1", (3, 3, 3, width), width)
    for number, filters in enumerate(_BLOCKS):
        prefix = f"block_{number}_" if number else "expanded_conv_"
        inner = width * 6 if number else width
        if number:
            add(f"{prefix}expand", f"{prefix}expand_BN", (1, 1, width, inner), inner)
        add(f"{prefix}depthwise", f"{prefix}depthwise_BN", (3, 3, inner, 1), inner)
        width = _divisible(filters * alpha)
        add(f"{prefix}project", f"{prefix}project_BN", (1, 1, inner, width), width)
    last = _divisible(1280 * alpha) if alpha > 1 else 1280
    add("Conv_1", "Conv_1_bn", (1, 1, width, last), last)
    return layers


def _divisible(filters: float) -> int:
    """The closest multiple of 8 that is at least nine tenths of `filters`, as in Keras."""
    closest = max(8, int(filters + 4) // 8 * 8)
    return closest + 8 if closest < 0.9 * filters else closest
