"""The catalogue of fruits that make_samples.py renders.

Lengths are in fruit radii and colours are "#rrggbb". The tables are formatted by hand, so that an
outline or a layer stays on one line.
"""

from dataclasses import dataclass, replace

Outline = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Layer:
    """A layer of paint: transparent where `pattern` is `lo`, opaque where it is `hi`."""

    pattern: str  # one of sample_bodies.PATTERNS
    colour: str
    lo: float
    hi: float
    freq: float = 1.0


@dataclass(frozen=True)
class Part:
    """`count` copies of the organ `name` on the axis at z = `at`, arranged like leaves."""

    name: str
    at: float
    scale: float
    count: int = 1
    tilt: tuple[float, float] = (0.0, 20.0)  # degrees from the axis: first copy, last copy
    chance: float = 1.0


@dataclass(frozen=True)
class Kind:
    """Shape, skin and arrangement of a kind of fruit, or of an organ such as a leaf."""

    outline: Outline  # (radius, z) from the bottom pole to the top one
    colour: str
    layers: tuple[Layer, ...] = ()
    gloss: float = 0.5  # strength of the highlight
    rough: float = 0.3  # width of the highlight
    bump: float = 0.0  # how much noise perturbs the normals
    fuzz: float = 0.0  # brightness at grazing angles: fuzz, bloom, translucency
    lobes: tuple[int, float] = (0, 0.0)  # ridges around the axis: number, depth
    knobs: tuple[int, int, float] = (
        0,
        0,
        0.0,
    )  # lattice of knobs: number around, number along, height
    flat: float = 1.0  # thickness along x over thickness along y
    bend: float = 0.0  # angle between the ends of the axis in radians
    lumps: float = 0.02  # unevenness of the shape
    parts: tuple[Part, ...] = ()
    flesh: tuple[str, tuple[Layer, ...]] = ("#ffffff", ())  # colour and layers of a cut face
    cuts: tuple[str, ...] = ()  # possible cuts, from sample_bodies.CUTS
    layout: str = "scatter"  # or "fan" (from one stem) or "bunch"
    count: tuple[int, int] = (1, 4)
    tilt: tuple[float, float] = (0.0, 45.0)  # tilt of the axis from the vertical in degrees

    @property
    def reach(self) -> float:
        """Largest distance from the origin, including parts."""
        bare = max(abs(v) for point in self.outline for v in point)
        return max([bare] + [p.at + 0.8 * p.scale * ORGANS[p.name].reach for p in self.parts])


def ball(z: float) -> Outline:
    """The outline of a ball stretched by `z` along its axis."""
    half = ((0, 1), (0.5, 0.87), (0.87, 0.5), (1, 0), (0.87, -0.5), (0.5, -0.87), (0, -1))
    return tuple((r, -h * z) for r, h in half)


def citrus(pulp: str, pale: str, peel: str) -> tuple[str, tuple[Layer, ...]]:
    """The cut face of a citrus fruit: segments, membranes, core, pith and peel."""
    ray, wedge = Layer("streak", pale, 0.4, 0.7, 7), Layer("wedge", "#fbf0c8", 0.12, 0.05, 10)
    core, pith = Layer("depth", "#fbf0c8", 0.12, 0.08), Layer("depth", "#fbf3da", 0.86, 0.89)
    return pulp, (ray, wedge, core, pith, Layer("depth", peel, 0.95, 0.97))


ORGANS = {
    "stem": Kind(
        ((0, 0), (0.9, 0.1), (0.7, 3), (0.7, 6), (1.1, 7.5), (0, 7.6)), "#6b4a2a", bend=0.7
    ),
    "stalk": Kind(
        ((0, 0), (0.5, 0.1), (0.4, 8), (0.4, 16), (0.9, 19), (0, 19)), "#7d8c3a", bend=1.1
    ),
    "leaf": Kind(
        ((0, 0), (0.12, 0.3), (0.6, 1), (0.72, 1.6), (0.4, 2.4), (0, 3)), "#3f7a26",
        (Layer("blotch", "#6fa03c", 0.4, 0.7, 3), Layer("midrib", "#a9c46a", 0.06, 0.02)),
        flat=0.06, bend=0.9, rough=0.5,
    ),
    "sepal": Kind(
        ((0, 0), (0.26, 0.25), (0.3, 0.7), (0, 1.7)), "#4c8a2a",
        (Layer("blotch", "#6fa63c", 0.4, 0.7, 2),), flat=0.15, bend=1.1, rough=0.6,
    ),
    "blade": Kind(
        ((0, 0), (0.4, 0.3), (0.36, 1), (0.2, 2), (0, 3)), "#5c7d44",
        (Layer("height", "#8fa05e", 0.5, 1), Layer("streak", "#3f5d33", 0.5, 0.7, 3)),
        flat=0.25, bend=0.7, rough=0.5,
    ),
    "button": Kind(((0, 0), (1, 0), (0.8, 0.4), (0, 0.5)), "#7d8a3c", lobes=(5, 0.3)),
}  # fmt: skip

RED_APPLE = Kind(
    ((0, -0.72), (0.22, -0.83), (0.55, -0.76), (0.86, -0.36), (1, 0.12), (0.92, 0.54),
     (0.58, 0.8), (0.25, 0.76), (0.08, 0.58), (0, 0.5)),
    "#b3161c",
    (
        Layer("streak", "#cf4a2c", 0.45, 0.8, 3.5),
        Layer("blotch", "#8c0c16", 0.45, 0.8, 0.7),
        Layer("side", "#dba23c", 1.0, 1.9),
        Layer("height", "#c9a04a", 0.8, 0.98),
        Layer("dot", "#e0a888", 0.11, 0.06, 9),
    ),
    gloss=0.8, rough=0.2, lobes=(5, 0.02), tilt=(0, 40),
    parts=(Part("stem", 0.5, 0.07), Part("leaf", 0.92, 0.32, tilt=(50, 60), chance=0.4)),
)  # fmt: skip

GREEN_APPLE = replace(
    RED_APPLE,
    colour="#86ad2c",
    layers=(
        Layer("blotch", "#adc548", 0.35, 0.7, 0.9),
        Layer("side", "#c98a4a", 1.35, 2.4),
        Layer("height", "#6d8a2a", 0.86, 0.99),
        Layer("dot", "#dfe8a8", 0.12, 0.07, 9),
    ),
)

LEMON = Kind(
    ((0, -1.45), (0.14, -1.4), (0.22, -1.22), (0.5, -0.98), (0.85, -0.5), (0.97, 0), (0.85, 0.5),
     (0.5, 0.98), (0.2, 1.22), (0.13, 1.3), (0, 1.32)),
    "#efc919",
    (Layer("blotch", "#f4da46", 0.4, 0.7, 0.7), Layer("height", "#b8b040", 0.95, 0.99)),
    gloss=0.45, rough=0.3, bump=0.35, tilt=(80, 100), cuts=("half",),
    parts=(Part("leaf", 1.25, 0.5, tilt=(60, 70), chance=0.4),),
    flesh=citrus("#f0d850", "#f8ea90", "#f0cc1a"),
)  # fmt: skip

LIME = replace(
    LEMON,
    outline=((0, -1.22), (0.12, -1.17), (0.3, -1.06), (0.6, -0.84), (0.9, -0.42), (0.98, 0),
             (0.9, 0.42), (0.6, 0.84), (0.25, 1.08), (0.1, 1.2), (0, 1.22)),
    colour="#4c7a20",
    layers=(Layer("blotch", "#84a03c", 0.42, 0.75, 0.7), Layer("height", "#8a9a40", 0.96, 1)),
    parts=(Part("leaf", 1.15, 0.5, tilt=(60, 70), chance=0.4),),
    flesh=citrus("#b5c858", "#d8e094", "#4c7a20"),
)  # fmt: skip

KINDS = {
    "Apple/Red": RED_APPLE,
    "Apple/Green": GREEN_APPLE,
    "Banana": Kind(
        ((0, -3.9), (0.2, -3.85), (0.26, -3.6), (0.6, -2.9), (0.82, -1.7), (0.86, 0), (0.82, 1.7),
         (0.6, 2.8), (0.27, 3.5), (0.22, 4.2), (0.28, 4.7), (0, 4.72)),
        "#e6bb2a",
        (
            Layer("blotch", "#efcd4c", 0.4, 0.7, 0.6),
            Layer("height", "#93a03a", 0.84, 0.95),
            Layer("blotch", "#6b4018", 0.82, 0.9, 1.7),
            Layer("height", "#4a3320", 0.045, 0.025),
            Layer("height", "#5a4424", 0.965, 0.98),
        ),
        gloss=0.3, rough=0.4, lobes=(5, 0.07), bend=1.6, layout="fan", count=(1, 4), tilt=(90, 90),
    ),
    "Blueberry": Kind(
        ((0, -0.85), (0.5, -0.75), (0.9, -0.35), (1, 0), (0.88, 0.45), (0.55, 0.75), (0.4, 0.84),
         (0.42, 0.98), (0.33, 0.92), (0.25, 0.72), (0, 0.68)),
        "#26335c",
        (Layer("blotch", "#7387b4", 0.4, 0.9, 1.1), Layer("height", "#141a30", 0.8, 0.86)),
        gloss=0.2, rough=0.5, fuzz=0.25, count=(9, 22), tilt=(0, 75),
    ),
    "Cherry": Kind(
        ((0, -0.85), (0.35, -0.82), (0.8, -0.5), (1, 0.05), (0.9, 0.5), (0.55, 0.8), (0.2, 0.78),
         (0, 0.66)),
        "#7c0818",
        (Layer("blotch", "#a81024", 0.4, 0.8, 0.6), Layer("dot", "#c05060", 0.07, 0.03, 10)),
        gloss=1.0, rough=0.15, fuzz=0.05, count=(2, 5), tilt=(0, 40), lumps=0.012,
        parts=(Part("stalk", 0.64, 0.1, tilt=(5, 30)),),
    ),
    "Grape": Kind(
        ball(1.12), "#3c1a3a",
        (Layer("blotch", "#5c2850", 0.4, 0.8, 0.6), Layer("blotch", "#85779a", 0.45, 1.1, 0.9)),
        gloss=0.7, rough=0.18, fuzz=0.3, layout="bunch", count=(34, 46), tilt=(60, 120),
        parts=(Part("stem", 1.05, 0.1, chance=0.2),),
    ),
    "Kiwi": Kind(
        ball(1.22), "#7a5a30",
        (Layer("blotch", "#5c4020", 0.4, 0.7, 1.5), Layer("blotch", "#9a7a48", 0.5, 0.7, 7)),
        gloss=0.08, rough=0.6, bump=0.6, fuzz=0.3, tilt=(75, 100), cuts=("half",),
        flesh=(
            "#86b022",
            (
                Layer("streak", "#a8c848", 0.45, 0.7, 9),
                Layer("depth", "#6f9a1c", 0.6, 0.9),
                Layer("seed", "#17140c", 0.5, 0.35, 26),
                Layer("depth", "#e9e6b8", 0.3, 0.2),
                Layer("depth", "#6b4c28", 0.965, 0.98),
            ),
        ),
    ),
    "Lemon": LEMON,
    "Lime": LIME,
    "Orange": Kind(
        ((0, -0.93), (0.5, -0.82), (0.87, -0.48), (1, 0), (0.87, 0.48), (0.5, 0.82), (0.15, 0.93),
         (0, 0.88)),
        "#ec7a10",
        (Layer("blotch", "#f08e20", 0.4, 0.7, 0.7), Layer("blotch", "#df6a0a", 0.5, 0.9, 6)),
        gloss=0.45, rough=0.32, bump=0.5, tilt=(0, 70), cuts=("half",),
        parts=(Part("button", 0.86, 0.13), Part("leaf", 0.9, 0.45, 2, (55, 75), 0.4)),
        flesh=citrus("#f08a18", "#f8b040", "#ee7d10"),
    ),
    "Pear": Kind(
        ((0, -0.88), (0.3, -0.97), (0.75, -0.75), (0.97, -0.2), (0.87, 0.35), (0.58, 0.85),
         (0.45, 1.2), (0.34, 1.45), (0.15, 1.56), (0, 1.53)),
        "#aeb336",
        (
            Layer("blotch", "#cbc250", 0.35, 0.7, 0.8),
            Layer("side", "#b8702e", 0.8, 2.0),
            Layer("dot", "#857a36", 0.12, 0.05, 11),
            Layer("height", "#7a6430", 0.93, 1.0),
        ),
        gloss=0.35, rough=0.35, tilt=(0, 80), count=(1, 3),
        parts=(Part("stem", 1.5, 0.085), Part("leaf", 1.6, 0.4, tilt=(60, 75), chance=0.3)),
    ),
    "Pineapple": Kind(
        ((0, -1.45), (0.6, -1.4), (0.9, -1.0), (1, -0.3), (0.97, 0.4), (0.82, 1.05), (0.5, 1.4),
         (0, 1.45)),
        "#c08a2a",
        (
            Layer("blotch", "#a8842e", 0.4, 0.65, 0.6),
            Layer("knob", "#5c5a22", 0.3, 0.6),
            Layer("knob", "#6b3f18", 0.16, 0.06),
        ),
        gloss=0.25, rough=0.4, knobs=(8, 7, 0.12), bump=0.25, count=(1, 2), tilt=(60, 88),
        parts=(Part("blade", 1.3, 0.48, 34, (60, 2)),),
    ),
    "Strawberry": Kind(
        ((0, -1.3), (0.22, -1.2), (0.62, -0.6), (0.92, 0.1), (0.95, 0.5), (0.7, 0.83), (0.3, 0.9),
         (0, 0.84)),
        "#c00e1a",
        (
            Layer("blotch", "#d8242a", 0.4, 0.7, 0.8),
            Layer("height", "#e0907c", 0.84, 1.0),
            Layer("knob", "#86080f", 0.3, 0.2),
            Layer("knob", "#dcb050", 0.15, 0.1),
        ),
        gloss=0.6, rough=0.22, knobs=(11, 9, -0.05), lumps=0.03, tilt=(60, 100), count=(1, 4),
        parts=(Part("sepal", 1.0, 0.66, 9, (60, 76)), Part("stem", 0.85, 0.07)),
    ),
    "Watermelon": Kind(
        ball(1.2), "#86aa58",
        (
            Layer("stripe", "#1c4a20", -0.15, 0.3, 10),
            Layer("blotch", "#3d6a34", 0.55, 0.85, 3),
            Layer("height", "#c8b860", 0.985, 1.0),
        ),
        gloss=0.6, rough=0.25, tilt=(70, 90), count=(1, 2), cuts=("half", "wedge"),
        parts=(Part("stem", 1.18, 0.07),),
        flesh=(
            "#d0222a",
            (
                Layer("blotch", "#e04444", 0.4, 0.8, 2.5),
                Layer("pip", "#1a0f0c", 0.17, 0.13, 4.5),
                Layer("depth", "#f2b8a0", 0.83, 0.88),
                Layer("depth", "#dfe8b8", 0.87, 0.91),
                Layer("depth", "#2d5c28", 0.965, 0.975),
            ),
        ),
    ),
}  # fmt: skip
