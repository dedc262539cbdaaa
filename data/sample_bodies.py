"""Bodies for the sample photos: turn an outline into a dense cloud of painted surface samples.

An outline is revolved around the z axis, knobbed, cut and bent. Lengths are in fruit radii, colours
are linear RGB in 0..1.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from sample_kinds import ORGANS, Kind, Layer

Array = NDArray[np.floating]  # float32 for large arrays
Body = tuple[Kind, Array]  # a kind and its (3,) tint

GOLDEN = np.pi * (3 - 5**0.5)  # golden angle, between successive leaves, in radians
UP = np.array([0, 0, 1], np.float32)
CUTS = {"half": ((0, 0, 1),), "wedge": ((0.7071, 0, 0.7071), (-0.7071, 0, 0.7071))}  # normals


def rgb(colour: str) -> Array:
    """(3,) linear RGB of an "#rrggbb" colour."""
    return (np.array(list(bytes.fromhex(colour[1:])), np.float32) / 255) ** 2.2


def smoothstep(lo: float, hi: float, x: Array) -> Array:
    """0 below `lo`, 1 above `hi`, and smooth in between; reversed if lo > hi."""
    t: Array = np.clip((x - lo) / (hi - lo), 0, 1)
    return t * t * (3 - 2 * t)


def dot(a: Array, b: Array) -> Array:
    """(...) dot products of vectors (..., 3)."""
    return a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2]


def unit(v: ArrayLike) -> Array:
    """Vectors (..., 3) scaled to length 1."""
    v = np.asarray(v, np.float32)
    length: Array = np.sqrt(dot(v, v) + 1e-20)
    return v / length[..., None]


def axes_about(axis: Array) -> Array:
    """(3, 3) rotation whose last row is the unit vector `axis`."""
    across = unit(np.cross(axis, (0.3, 0.9, 0.1)))
    return np.stack([across, np.cross(axis, across), axis]).astype(np.float32)


def rotation(tilt: float, azimuth: float, spin: float = 0.0) -> Array:
    """(3, 3) matrix: spin about z, tilt away from z, then rotate about z; angles in radians."""
    (ct, ca, cs), (st, sa, ss) = np.cos([tilt, azimuth, spin]), np.sin([tilt, azimuth, spin])
    lean = np.array([[ct, 0, st], [0, 1, 0], [-st, 0, ct]])
    turn = np.array([[ca, -sa, 0], [sa, ca, 0], [0, 0, 1]])
    round_z = np.array([[cs, -ss, 0], [ss, cs, 0], [0, 0, 1]])
    matrix: Array = (turn @ lean @ round_z).astype(np.float32)
    return matrix


def fractal_volume(size: int) -> Array:
    """(size ** 3,) periodic fractal noise with mean 0.5; one lookup covers all octaves."""
    white = np.random.default_rng(0).standard_normal((size,) * 3, np.float32)
    wave = np.fft.fftfreq(size) * size
    square = wave[:, None, None] ** 2 + wave[:, None] ** 2 + np.arange(size // 2 + 1) ** 2
    # Amplitude falls as 1/f^2.3, flat at low f, so that no feature is as wide as the volume.
    cloud = np.fft.irfftn(np.fft.rfftn(white) / (square + 60) ** 1.15, white.shape, (0, 1, 2))
    volume: Array = (0.5 + 0.18 * cloud / cloud.std()).astype(np.float32).ravel()
    return volume


VOLUME = fractal_volume(128)


def noise(p: Array) -> Array:
    """Fractal noise, about 0..1, at points p (n, 3); its features are about 1 unit wide."""
    q = np.ascontiguousarray(p.T, np.float32) * 16
    cell = np.floor(q)
    u, v, w = q - cell
    cell = cell.astype(np.int32)
    (x, y, z), (x1, y1, z1) = cell & 127, (cell + 1) & 127

    def row(i: NDArray[np.int32], j: NDArray[np.int32]) -> Array:
        at = (i << 14) + (j << 7)
        first = VOLUME.take(at + z)
        values: Array = first + w * (VOLUME.take(at + z1) - first)
        return values

    near, far = row(x, y), row(x1, y)
    near += v * (row(x, y1) - near)
    far += v * (row(x1, y1) - far)
    near += u * (far - near)
    return near


def specks(p: Array) -> Array:
    """Distance from p (n, 3) to the centre of the jittered speck in its unit cell."""
    cell = np.floor(p).astype(np.int64)
    key = cell @ np.array([73856093, 19349663, 83492791])
    away = p - cell - 0.3 - 0.4 * np.stack([(key * k >> 7) % 101 / 101 for k in (1, 31, 57)], 1)
    distance: Array = np.sqrt(dot(away, away))
    return distance


@dataclass
class Samples:
    """Surface samples of one or more bodies; every field has one row per sample."""

    xyz: Array  # (n, 3) position in the scene
    normal: Array  # (n, 3) unit, outward
    local: Array  # (n, 3) position in the body before bending, for the patterns
    height: Array  # (n,) 0 at the bottom pole to 1 at the top one, along the outline
    depth: Array  # (n,) 0 at the core to 1 at the skin
    phi: Array  # (n,) angle around the axis in radians
    knob: Array  # (n,) distance to the centre of the nearest knob, in knobs
    cut: NDArray[np.bool_]  # (n,) whether on a cut face
    body: NDArray[np.int64]  # (n,) number of the body

    def take(self, rows: NDArray[np.int64]) -> "Samples":
        """The samples at the given rows."""
        return Samples(*(getattr(self, f.name)[rows] for f in fields(self)))

    def turn(self, matrix: Array, scale: float) -> None:
        """Rotate and scale about the origin."""
        self.xyz, self.normal = scale * self.xyz @ matrix.T, self.normal @ matrix.T


def join(groups: list[Samples]) -> Samples:
    """Concatenate groups of samples."""
    return Samples(*(np.concatenate([getattr(g, f.name) for g in groups]) for f in fields(Samples)))


def round_axis(s: Samples, freq: float) -> Array:
    """(n, 3) coordinates that vary around the axis but hardly along it."""
    return np.stack([freq * np.cos(s.phi), freq * np.sin(s.phi), 0.5 * s.local[:, 2]], axis=1)


PATTERNS: dict[str, Callable[[Samples, float], Array]] = {
    "height": lambda s, f: s.height,
    "depth": lambda s, f: s.depth,
    "knob": lambda s, f: s.knob,
    "midrib": lambda s, f: abs(s.local[:, 1]),
    "blotch": lambda s, f: noise(s.local * f),
    "side": lambda s, f: s.local[:, 0] + 2 * noise(s.local * 0.8) - 0.5,
    "streak": lambda s, f: noise(round_axis(s, f)),
    "stripe": lambda s, f: np.cos(f * s.phi + 5 * noise(s.local * 1.5)),
    "wedge": lambda s, f: abs(np.sin(f / 2 * s.phi)) * s.depth,
    "dot": lambda s, f: specks(s.local * f),
    "pip": lambda s, f: specks(s.local * f + 0.5) + (abs(s.depth - 0.55) > 0.25),
    "seed": lambda s, f: np.hypot(np.sin(f / 2 * s.phi), (s.depth - 0.42) * 5),
}


def paint(colour: str, layers: tuple[Layer, ...], s: Samples) -> Array:
    """(n, 3) albedo of the samples under a base colour and its layers."""
    albedo = np.broadcast_to(rgb(colour), s.xyz.shape)
    for layer in layers:
        coat = smoothstep(layer.lo, layer.hi, PATTERNS[layer.pattern](s, layer.freq))
        albedo = albedo + coat[:, None].astype(np.float32) * (rgb(layer.colour) - albedo)
    return albedo


def spline(points: ArrayLike, n: int) -> Array:
    """(n, 2) points evenly spaced along the Catmull-Rom curve through `points` (k, 2)."""
    p = np.asarray(points, np.float32)
    p = np.vstack([2 * p[0] - p[1], p, 2 * p[-1] - p[-2]])
    a, b, c, d = p[:-3], p[1:-2], p[2:-1], p[3:]
    t = np.linspace(0, 1, 40)[:, None, None]
    curve = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    curve = curve.transpose(1, 0, 2).reshape(-1, 2)
    length = np.append(0, np.cumsum(np.hypot(*np.diff(curve, axis=0).T)))
    at = np.linspace(0, length[-1], n)
    return np.stack([np.interp(at, length, column) for column in curve.T], axis=1)


def solid(kind: Kind, density: float, cut: str, rng: Generator) -> Samples:
    """One bare body at the origin, with about `density` samples per unit of length."""
    outline = spline(kind.outline, 300)
    along = max(10, int(np.hypot(*np.diff(outline, axis=0).T).sum() * density))
    around = max(14, int(2 * np.pi * outline[:, 0].max() * density))
    radius, z = spline(kind.outline, along).astype(np.float32).T[:, :, None]
    phi, height = np.meshgrid(np.linspace(-np.pi, np.pi, around), np.linspace(0, 1, along))
    phi, height = phi.astype(np.float32), height.astype(np.float32)
    a, b = phi * kind.knobs[0] / (2 * np.pi), height * kind.knobs[1]
    knob = np.hypot(a + b - np.round(a + b), a - b - np.round(a - b))

    ridge = 1 + kind.lobes[1] * np.cos(kind.lobes[0] * phi)
    x = radius.clip(0.004) * ridge * np.cos(phi) * kind.flat  # a pole of zero width has no normal
    y = radius.clip(0.004) * ridge * np.sin(phi)
    local = np.stack([x, y, z + 0 * phi], axis=-1)
    waves = rng.normal(0, 1.6, (4, 3)).astype(np.float32)
    lumps = kind.lumps * sum(np.sin(local @ wave + i) for i, wave in enumerate(waves))
    local *= (1 + lumps - kind.knobs[2] * smoothstep(0.25, 0.7, knob))[..., None]
    half = np.array([radius.max() * kind.flat, radius.max(), np.ptp(z) / 2])
    face = np.zeros(phi.shape, bool)
    for plane in np.array(CUTS.get(cut, ()), np.float32):
        # Samples beyond the plane are projected onto it and become the cut face.
        beyond = (local @ plane).clip(0)
        face |= beyond > 0
        local -= beyond[..., None] * plane

    xyz = local.copy()
    if kind.bend:
        ring = np.ptp(z) / kind.bend
        arm, turn = ring - local[..., 0], local[..., 2] / ring
        xyz[..., 0], xyz[..., 2] = ring - arm * np.cos(turn), arm * np.sin(turn)
    normal = unit(np.cross(np.gradient(xyz, axis=1), np.gradient(xyz, axis=0)))
    depth = np.sqrt(dot(local**2, 1 / half**2))
    return Samples(
        xyz.reshape(-1, 3),
        normal.reshape(-1, 3),
        local.reshape(-1, 3),
        height.ravel(),
        depth.ravel(),
        phi.ravel(),
        knob.ravel(),
        face.ravel(),
        np.zeros(phi.size, np.int64),
    )


def grow(kind: Kind, density: float, cut: str, bodies: list[Body], rng: Generator) -> Samples:
    """A fruit with its parts at the origin; its bodies are appended to `bodies`."""
    grown = [solid(kind, density, cut, rng)]
    grown[0].body += len(bodies)
    bodies.append((kind, 1 + 0.07 * rng.standard_normal(3).astype(np.float32)))
    for part in () if cut else kind.parts:
        if rng.random() > part.chance:
            continue
        start = rng.uniform(0, 2 * np.pi)
        for i, tilt in enumerate(np.radians(np.linspace(*part.tilt, part.count))):
            organ = grow(ORGANS[part.name], density * part.scale, "", bodies, rng)
            turn = rotation(tilt + rng.normal(0, 0.1), start + GOLDEN * i)
            organ.turn(turn, part.scale * rng.uniform(0.85, 1.1))
            organ.xyz += part.at * UP
            grown.append(organ)
    return join(grown)
