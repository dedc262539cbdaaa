"""Render the sample photos that `make demo` reads: synthetic fruit on a table.

A fruit is an outline turned about its z axis, then knobbed, cut or bent, and becomes a dense cloud
of surface samples.  A photo is that cloud seen by a camera, painted, lit and blurred.  Lengths are
in fruit radii, the table is the plane z = 0, colours are linear RGB in 0..1.
"""

import argparse
import zlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageFilter

from fruits import KINDS, ORGANS, Kind, Layer

Array = NDArray[np.float32]
Body = tuple[Kind, Array]  # a kind and its (3,) tint

SEED = 7
PHOTOS_PER_KIND = 6
LONG, SHORT = 432, 324  # sides of a photo, pixels
OVERSAMPLE = 1.5  # pixels are rendered smaller than they are saved, to smooth the edges
FOCAL = 1.9  # of the lens, in short sides
GOLDEN = np.pi * (3 - 5**0.5)  # radians between one leaf and the next
UP = np.array([0, 0, 1], np.float32)
CUTS = {"half": ((0, 0, 1),), "wedge": ((0.7071, 0, 0.7071), (-0.7071, 0, 0.7071))}  # normals


def rgb(colour: str) -> Array:
    """(3,) linear light of an "#rrggbb" colour."""
    return (np.array(list(bytes.fromhex(colour[1:])), np.float32) / 255) ** 2.2


def smoothstep(lo: float, hi: float, x: Array) -> Array:
    """0 where x is beyond `lo`, 1 where it is beyond `hi`, smooth between (lo > hi is allowed)."""
    t = np.clip((x - lo) / (hi - lo), 0, 1)
    return t * t * (3 - 2 * t)


def dot(a: Array, b: Array) -> Array:
    """(...) products of vectors (..., 3)."""
    return np.einsum("...i,...i", a, b)


def unit(v: ArrayLike) -> Array:
    """Vectors (..., 3) scaled to length 1."""
    v = np.asarray(v, np.float32)
    return v / np.sqrt(dot(v, v) + 1e-20)[..., None]


def axes_about(axis: Array) -> Array:
    """(3, 3) rotation whose last row is the unit vector `axis`."""
    across = unit(np.cross(axis, (0.3, 0.9, 0.1)))
    return np.stack([across, np.cross(axis, across), axis]).astype(np.float32)


def rotation(tilt: float, azimuth: float, spin: float = 0.0) -> Array:
    """(3, 3) matrix: spin about z, lean from z by `tilt`, then turn about z; all in radians."""
    (ct, ca, cs), (st, sa, ss) = np.cos([tilt, azimuth, spin]), np.sin([tilt, azimuth, spin])
    lean = np.array([[ct, 0, st], [0, 1, 0], [-st, 0, ct]])
    turn = np.array([[ca, -sa, 0], [sa, ca, 0], [0, 0, 1]])
    return (turn @ lean @ np.array([[cs, -ss, 0], [ss, cs, 0], [0, 0, 1]])).astype(np.float32)


def fractal_volume(size: int = 128) -> Array:
    """(size ** 3,) cloud noise, mean 0.5, that wraps round: one lookup gives every octave."""
    white = np.random.default_rng(SEED).standard_normal((size,) * 3, np.float32)
    wave = np.fft.fftfreq(size) * size
    square = wave[:, None, None] ** 2 + wave[:, None] ** 2 + np.arange(size // 2 + 1) ** 2
    # Amplitude falls as 1/f^2.3 above a floor, so that no feature is as wide as the volume itself.
    cloud = np.fft.irfftn(np.fft.rfftn(white) / (square + 60) ** 1.15, white.shape, (0, 1, 2))
    return (0.5 + 0.18 * cloud / cloud.std()).astype(np.float32).ravel()


VOLUME = fractal_volume()


def noise(p: Array) -> Array:
    """Cloud noise in about 0..1 at points p (n, 3); its features are some 1 unit wide."""
    q = np.ascontiguousarray(p.T, np.float32) * 16
    cell = np.floor(q)
    u, v, w = q - cell
    cell = cell.astype(np.int32)
    (x, y, z), (x1, y1, z1) = cell & 127, (cell + 1) & 127

    def row(i: NDArray, j: NDArray) -> Array:
        at = (i << 14) + (j << 7)
        first = VOLUME.take(at + z)
        return first + w * (VOLUME.take(at + z1) - first)

    near, far = row(x, y), row(x1, y)
    near += v * (row(x, y1) - near)
    far += v * (row(x1, y1) - far)
    return near + u * (far - near)


def specks(p: Array) -> Array:
    """Distance from p (n, 3) to the middle of the one jittered speck in its unit cell."""
    cell = np.floor(p).astype(np.int64)
    key = cell @ np.array([73856093, 19349663, 83492791])
    away = p - cell - 0.3 - 0.4 * np.stack([(key * k >> 7) % 101 / 101 for k in (1, 31, 57)], 1)
    return np.sqrt(dot(away, away))


@dataclass
class Samples:
    """Surface samples of one or more bodies; every field holds one row a sample."""

    xyz: Array  # (n, 3) place on the table
    normal: Array  # (n, 3) unit, outward
    local: Array  # (n, 3) place in the body before bending, for the patterns
    height: Array  # (n,) 0 at the bottom pole to 1 at the top one, along the outline
    depth: Array  # (n,) 0 at the core to 1 at the skin
    phi: Array  # (n,) radians round the axis
    knob: Array  # (n,) distance to the middle of the nearest knob, in knobs
    cut: NDArray[np.bool_]  # (n,) whether on a cut face
    body: NDArray[np.int64]  # (n,) number of the body

    def take(self, rows: NDArray) -> "Samples":
        """The samples at some rows."""
        return Samples(*(getattr(self, f.name)[rows] for f in fields(self)))

    def turn(self, matrix: Array, scale: float) -> None:
        """Rotate and scale about the origin."""
        self.xyz, self.normal = scale * self.xyz @ matrix.T, self.normal @ matrix.T


def join(groups: list[Samples]) -> Samples:
    """All samples of some groups."""
    return Samples(*(np.concatenate([getattr(g, f.name) for g in groups]) for f in fields(Samples)))


def round_axis(s: Samples, freq: float) -> Array:
    """(n, 3) coordinates that change round the axis but hardly along it."""
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
    """One bare body about the origin, with some `density` samples to a unit of length."""
    outline = spline(kind.outline, 300)
    along = max(10, int(np.hypot(*np.diff(outline, axis=0).T).sum() * density))
    around = max(14, int(2 * np.pi * outline[:, 0].max() * density))
    radius, z = spline(kind.outline, along).astype(np.float32).T[:, :, None]
    phi, height = np.meshgrid(np.linspace(-np.pi, np.pi, around), np.linspace(0, 1, along))
    phi, height = phi.astype(np.float32), height.astype(np.float32)
    a, b = phi * kind.knobs[0] / (2 * np.pi), height * kind.knobs[1]
    knob = np.hypot(a + b - np.round(a + b), a - b - np.round(a - b))

    ridge = 1 + kind.lobes[1] * np.cos(kind.lobes[0] * phi)
    x = radius.clip(0.004) * ridge * np.cos(phi) * kind.flat  # a pole of no width has no normal
    y = radius.clip(0.004) * ridge * np.sin(phi)
    local = np.stack([x, y, z + 0 * phi], axis=-1)
    lumps = np.sin(local @ rng.normal(0, 1.6, (3, 4)).astype(np.float32) + np.arange(4))
    swell = 1 + kind.lumps * lumps.sum(axis=-1) - kind.knobs[2] * smoothstep(0.25, 0.7, knob)
    local *= swell[..., None].astype(np.float32)
    half, face = np.ptp(local, axis=(0, 1)) / 2, np.zeros(phi.shape, bool)
    for plane in np.array(CUTS.get(cut, ()), np.float32):
        # What lies beyond the plane is pressed onto it, and so becomes the cut face.
        beyond = (local @ plane).clip(0)
        face |= beyond > 0
        local -= beyond[..., None] * plane

    xyz = local.copy()
    if kind.bend:
        ring = np.ptp(z) / kind.bend
        arm, turn = ring - local[..., 0], local[..., 2] / ring
        xyz[..., 0], xyz[..., 2] = ring - arm * np.cos(turn), arm * np.sin(turn)
    normal = unit(np.cross(np.gradient(xyz, axis=1), np.gradient(xyz, axis=0)))
    depth = np.sqrt(dot(local / half, local / half))
    rows = (v.ravel() for v in (height, depth, phi, knob, face, np.zeros(phi.shape, np.int64)))
    return Samples(*(v.reshape(-1, 3) for v in (xyz, normal, local)), *rows)


def grow(kind: Kind, density: float, cut: str, bodies: list[Body], rng: Generator) -> Samples:
    """A fruit with its parts, about the origin; what it is made of is added to `bodies`."""
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


def lay_out(kind: Kind, n: int, rng: Generator) -> tuple[Array, Array]:
    """(n, 3) places, z how high above the table, and (n, 3) tilts, azimuths and spins."""
    tilt, spin = np.radians(rng.uniform(*kind.tilt, n)), rng.uniform(0, 2 * np.pi, n)
    azimuth = np.pi * rng.integers(0, 2, n) + rng.normal(0, 0.6, n)  # seen from the side
    place, k = np.zeros((n, 3)), np.arange(n)
    if kind.layout == "fan":
        azimuth, spin = rng.uniform(0, 2 * np.pi) + 0.17 * k, np.full(n, np.pi / 2)
        place[:, 2] = 0.15 * k
    elif kind.layout == "bunch":  # rings round a lying stem, wide at one end
        along = k / n
        girth = 0.4 + 2.2 * (1 - along) ** 0.7
        across, up = girth * np.cos(GOLDEN * k), 0.6 * girth * (1 + np.sin(GOLDEN * k))
        place = np.stack([7 * along, across, up], axis=1) @ rotation(0, azimuth[0]).T
    else:
        tall = np.ptp([z for _, z in kind.outline]) / 2
        gap = 1.6 * max(1, 0.9 * tall * np.sin(tilt.mean()))
        for i in range(1, n):
            room = gap / 2
            while np.hypot(*(place[:i] - place[i])[:, :2].T).min() < gap:
                room *= 1.05
                place[i, :2] = rng.uniform(-room, room, 2)
    return place, np.stack([tilt, azimuth, spin], axis=1)


def arrange(kind: Kind, number: int, rng: Generator) -> tuple[Samples, list[Body]]:
    """The fruits of one photo on the table; of kinds that can be cut, every other one is."""
    place, poses = lay_out(kind, int(rng.integers(kind.count[0], kind.count[1] + 1)), rng)
    span = np.ptp(place[:, :2], axis=0).max() / 2 + max(1, np.abs(kind.outline).max() * 0.8)
    fruits, bodies = [], []
    for i, (at, pose) in enumerate(zip(place, poses, strict=True)):
        cut, first = "", len(bodies)
        if kind.cuts and (i + number) % 2:
            cut = kind.cuts[number // 2 % len(kind.cuts)]
            pose = (rng.uniform(0.2, 0.6), rng.normal(-np.pi / 2, 0.4), pose[2])  # face to camera
        fruit = grow(kind, 0.45 * SHORT * OVERSAMPLE / span, cut, bodies, rng)
        fruit.turn(rotation(*pose), rng.uniform(0.9, 1.1))
        if kind.layout == "fan":
            fruit.xyz -= fruit.xyz[-1]  # the last sample is the tip of the stem
        fruit.xyz += at - (0, 0, fruit.xyz[fruit.body == first, 2].min())
        fruit.xyz[:, 2] = fruit.xyz[:, 2].clip(0.02)  # a leaf or stem lies on the table
        fruits.append(fruit)
    scene = join(fruits)
    low, high = scene.xyz.min(axis=0), scene.xyz.max(axis=0)
    scene.xyz = (scene.xyz - (low + high) / 2 * (1, 1, 0)).astype(np.float32)
    return scene, bodies


@dataclass
class Camera:
    """A lens at `eye` (3,); rows of `axes` (3, 3) point right, down, ahead; sizes in pixels."""

    eye: Array
    axes: Array
    width: int
    height: int

    def rays(self) -> Array:
        """(height * width, 3) unit directions through the pixels, row by row."""
        y, x = np.mgrid[: self.height, : self.width].reshape(2, -1).astype(np.float32) + 0.5
        ahead = np.full_like(x, FOCAL * min(self.width, self.height))
        return unit(np.stack([x - self.width / 2, y - self.height / 2, ahead], axis=1) @ self.axes)

    def nearest(self, scene: Samples) -> NDArray[np.int64]:
        """(height * width,) index of the sample that each pixel sees, -1 for the table."""
        away = scene.xyz - self.eye
        right, down, ahead = np.ascontiguousarray((away @ self.axes.T).T)
        zoom = FOCAL * min(self.width, self.height) / ahead
        x = (right * zoom + self.width / 2).astype(np.int32)
        y = (down * zoom + self.height / 2).astype(np.int32)
        inside = (x > 0) & (y > 0) & (x < self.width - 1) & (y < self.height - 1)
        seen = np.flatnonzero(inside & (dot(scene.normal, away) < 0))
        seen = seen[np.argsort(-ahead[seen])]  # far to near: what is written last stays
        patch = np.array([0, 1, self.width, self.width + 1])  # 2 x 2 pixels, to leave no gaps
        index = np.full(self.width * self.height, -1)
        index[((y[seen] * self.width + x[seen])[:, None] + patch).ravel()] = np.repeat(seen, 4)
        return index


def aim(reach: float, top: float, rng: Generator) -> Camera:
    """A camera that looks down at a scene of half-width `reach` and height `top`."""
    pitch, roll = np.radians(rng.uniform(30, 58)), rng.normal(0, 0.05)
    ahead = np.array([0, np.cos(pitch), -np.sin(pitch)])
    level = np.array([0, np.sin(pitch), np.cos(pitch)]) * np.sin(roll)
    right = unit(level + (np.cos(roll), 0, 0))
    target = np.array([*rng.uniform(-0.12, 0.12, 2) * reach, 0.45 * top])
    distance = 2 * FOCAL * max(0.85 * reach, 0.65 * top) / rng.uniform(0.75, 1.0)
    sides = int(LONG * OVERSAMPLE), int(SHORT * OVERSAMPLE)
    axes = np.stack([right, np.cross(ahead, right), ahead]).astype(np.float32)
    eye = (target - distance * ahead).astype(np.float32)
    return Camera(eye, axes, *(sides if rng.random() < 0.8 else sides[::-1]))


def sight_of(points: Array, cloud: Array, directions: Array, reach: float) -> Array:
    """(n,) share of the directions in which points (n, 3) see past the cloud (m, 3).

    For each direction, a map of the cloud seen from there keeps what is nearest in every cell.
    """
    cells, share = 160, np.zeros(len(points), np.float32)
    zoom = np.array([[cells / 2 / reach], [cells / 2 / reach], [1]], np.float32)

    def look(p: Array) -> tuple[NDArray[np.int32], Array]:
        i, j, near = frame @ p.T
        i, j = ((v + cells / 2).astype(np.int32).clip(0, cells - 2) for v in (i, j))
        return i * cells + j, near

    for direction in directions:
        frame = axes_about(direction) * zoom
        (at, near), top = look(cloud), np.full(cells * cells, -np.inf, np.float32)
        for step in (0, 1, cells, cells + 1):
            np.maximum.at(top, at + step, near)
        at, near = look(points)
        share += near + np.float32(4 * reach / cells) > top[at]
    return share / len(directions)


def spread(axis: Array, angle: float, n: int) -> Array:
    """(n, 3) directions evenly spread within `angle` radians of a unit axis."""
    k = np.arange(n) + 0.5
    z = 1 - k / n * (1 - np.cos(angle))
    x, y = np.sqrt(1 - z * z) * (np.cos(GOLDEN * k), np.sin(GOLDEN * k))
    return (np.stack([x, y, z], axis=1) @ axes_about(axis)).astype(np.float32)


def wood(p: Array) -> Array:
    """Boards with grain. As for every table: p is (n, 3) with z = 0, the result (n,) in 0..1."""
    board = np.floor(p[:, 1] / 2.3)
    q = np.stack([0.12 * p[:, 0] + 2.7 * board, p[:, 1], 3.1 * board], axis=1)
    ring = 0.5 + 0.5 * np.sin(40 * noise(q * (1, 0.5, 1)) + 3 * noise(q * (6, 1, 1)))
    grain = 0.45 * ring + 0.9 * noise(q * (2, 5, 1)) - 0.25 + 0.3 * np.sin(2.4 * board)
    return grain.clip(0.1, 1) * smoothstep(0.0, 0.03, abs(p[:, 1] / 2.3 - board - 0.5) * -1 + 0.5)


def cloth(p: Array) -> Array:
    """Checked cloth with a weave and soft folds."""
    check = smoothstep(-0.1, 0.1, np.sin(2.4 * p[:, :2])).mean(axis=1)
    weave = 0.1 * np.sin(55 * p[:, 0]) * np.sin(55 * p[:, 1])
    return 0.75 * check + weave + 0.5 * noise(p * (0.25, 0.5, 1)) - 0.12


def marble(p: Array) -> Array:
    """Stone with veins where clouds of noise cross their mean."""
    warped = p + 1.2 * noise(p * 0.4)[:, None]
    vein = smoothstep(0.1, 0.0, abs(noise(warped * 0.3) - 0.5))
    fine = smoothstep(0.05, 0.0, abs(noise(warped * 0.7 + 3) - 0.5))
    return 0.55 * vein + 0.3 * fine + 0.4 * noise(p * 0.5) - 0.1


def grass(p: Array) -> Array:
    """Blades: noise drawn out in several directions, the brightest on top."""
    turned = [p @ rotation(0, angle) * (0.5, 4, 1) + angle for angle in (0.2, 1.1, 1.9, 2.7)]
    return smoothstep(0.4, 1.0, np.max([noise(q) for q in turned], axis=0))


def slate(p: Array) -> Array:
    """Plain stone or board with clouds and grit."""
    return 0.7 * noise(p * 0.5) + 0.5 * noise(p * 4) - 0.1


TABLES: tuple[tuple[Callable[[Array], Array], str, str], ...] = (
    (wood, "#5a3319", "#b98552"),
    (wood, "#8a6a45", "#dcc298"),
    (wood, "#2c1a10", "#6e4a30"),
    (cloth, "#e8e4da", "#7d96b5"),
    (cloth, "#efe9dc", "#c9bfa8"),
    (cloth, "#eee6e0", "#b5524e"),
    (marble, "#e9e7e2", "#8d9096"),
    (grass, "#1c3310", "#7f9a48"),
    (slate, "#2c2f34", "#666a70"),
    (slate, "#bdb6a8", "#e6e1d6"),
)


@dataclass
class View:
    """What each of n pixels shows."""

    xyz: Array  # (n, 3)
    normal: Array  # (n, 3)
    albedo: Array  # (n, 3)
    finish: Array  # (3, n) gloss, roughness and fuzz


def observe(
    scene: Samples, bodies: list[Body], camera: Camera, rays: Array, rng: Generator
) -> View:
    """Find and paint what the camera sees."""
    index = camera.nearest(scene)
    table, pixels = index < 0, np.flatnonzero(index >= 0)
    xyz = camera.eye - (camera.eye[2] / rays[:, 2].clip(None, -0.05))[:, None] * rays
    view = View(xyz, np.tile(UP, (len(xyz), 1)), np.zeros_like(xyz), np.zeros((3, len(xyz))))
    texture, dark, pale = TABLES[rng.integers(len(TABLES))]
    scale = 2.6 / np.linalg.norm(camera.eye) * FOCAL
    share = texture(xyz[table] @ rotation(0, rng.uniform(-0.6, 0.6)) * scale).clip(0, 1)
    view.albedo[table] = rgb(dark) + share[:, None] * (rgb(pale) - rgb(dark))
    view.finish[:, table] = [[0.06], [0.6], [0]]

    seen = scene.take(index[pixels])
    view.xyz[pixels], view.normal[pixels] = seen.xyz, seen.normal
    for number in np.unique(seen.body):
        kind, tint = bodies[number]
        for face in (False, True):
            rows = np.flatnonzero((seen.body == number) & (seen.cut == face))
            if not len(rows):
                continue
            s, at = seen.take(rows), pixels[rows]
            coat = kind.flesh if face else (kind.colour, kind.layers)
            view.albedo[at] = paint(*coat, s) * tint
            gloss = 0.15 if face else kind.gloss
            view.finish[:, at] = [[gloss], [kind.rough], [kind.fuzz]]
            if kind.bump:
                grain = [noise(s.local * 1.3 + k) - 0.5 for k in (1, 4, 7)]
                view.normal[at] = unit(s.normal + kind.bump * np.stack(grain, axis=1))
    return view


def illuminate(view: View, scene: Samples, rays: Array, shape: tuple, rng: Generator) -> Array:
    """(n, 3) linear light that the pixels send to the camera, under a sun and a sky."""
    sun_at = unit([rng.choice([-1, 1]) * rng.uniform(0.4, 1.2), rng.uniform(-0.5, 0.9), 1.3])
    warmth = rng.uniform(-0.06, 0.14)
    sun = rng.uniform(1.5, 2.5) * np.array([1 + warmth, 1, 1 - 1.6 * warmth], np.float32)
    sky = rng.uniform(0.5, 0.85) * np.array([0.94, 1, 1.08], np.float32)
    reach = 2.2 * np.sqrt(dot(scene.xyz, scene.xyz).max())

    def sight(directions: Array) -> Array:
        # Light and shade are soft: every other pixel each way will do.
        points = (view.xyz + 0.02 * view.normal).reshape(*shape, 3)[::2, ::2].reshape(-1, 3)
        share = sight_of(points, scene.xyz[::3], directions, reach)
        share = Image.fromarray(share.reshape((shape[0] + 1) // 2, -1))
        return np.asarray(share.resize(shape[::-1], Image.Resampling.BILINEAR)).ravel()

    lit = sight(spread(sun_at, rng.uniform(0.06, 0.25), 8))
    open_sky = sight(spread(UP, 1.35, 14))
    facing, above = (view.normal @ sun_at).clip(0) * lit, 0.5 + 0.5 * view.normal[:, 2]
    bounce = 0.35 * view.albedo.mean(axis=0) * sun
    light = facing[:, None] * sun + (above * open_sky)[:, None] * sky
    light += ((1 - above) * (0.3 + 0.7 * open_sky))[:, None] * bounce

    gloss, rough, fuzz = view.finish.astype(np.float32)
    toward = -dot(view.normal, rays).clip(None, 0)
    mirror, graze = rays + 2 * toward[:, None] * view.normal, (1 - toward) ** 3
    light += (fuzz * graze * (facing + open_sky) * 0.6)[:, None]
    side, rise, front = axes_about(sun_at) @ mirror.T
    # The highlight is a square, like a window.
    pane = np.exp(-((np.maximum(abs(side), abs(rise)) / rough) ** 4)) * (front > 0) * lit
    shine = (gloss * 0.22 * pane / (0.3 + rough))[:, None] * sun
    shine += (gloss * (0.03 + 0.4 * graze) * open_sky * (0.5 + 0.5 * mirror[:, 2]))[:, None] * sky
    return view.albedo * light + shine


def develop(light: Array, ahead: Array, shape: tuple, rng: Generator) -> Image.Image:
    """The photo: tone, depth of field, size, vignette and sensor noise.

    `light` (n, 3) is linear and `ahead` (n,) the distance of each pixel over that in focus.
    """
    tone = (1 - np.exp(-1.15 * rng.uniform(0.85, 1.15) * light)) ** (1 / 2.2)
    sharp = Image.fromarray((255 * tone).astype(np.uint8).reshape(*shape, 3))
    far = 255 * np.clip(abs(ahead - 1) * 3.5 - 0.15, 0, 1)
    mask = Image.fromarray(far.astype(np.uint8).reshape(shape)).filter(ImageFilter.BoxBlur(2))
    photo = Image.composite(sharp.filter(ImageFilter.GaussianBlur(3.5)), sharp, mask)
    photo = photo.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 0.9)))
    size = LONG, SHORT
    photo = photo.resize(size if shape[0] < shape[1] else size[::-1], Image.Resampling.BOX)
    pixels = np.asarray(photo, np.float32)
    y, x = (np.linspace(-1, 1, n) for n in pixels.shape[:2])
    pixels = pixels * (1 - rng.uniform(0.02, 0.1) * (x * x + y[:, None] ** 2))[..., None]
    pixels += rng.normal(0, 2, (*pixels.shape[:2], 1)) + rng.normal(0, 0.8, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def take_photo(name: str, number: int) -> Image.Image:
    """Photo `number` of the kind `name`; each has its own seed, so none depends on another."""
    rng = np.random.default_rng([SEED, zlib.crc32(name.encode()), number])
    scene, bodies = arrange(KINDS[name], number, rng)
    reach = np.sqrt(dot(scene.xyz * (1, 1, 0), scene.xyz * (1, 1, 0)).max())
    camera = aim(reach, scene.xyz[:, 2].max(), rng)
    rays, shape = camera.rays(), (camera.height, camera.width)
    view = observe(scene, bodies, camera, rays, rng)
    light = illuminate(view, scene, rays, shape, rng)
    ahead = (view.xyz - camera.eye) @ camera.axes[2]
    return develop(light, ahead / (0.97 * np.linalg.norm(camera.eye)), shape, rng)


def main() -> None:
    """Write every photo under --out."""
    parser = argparse.ArgumentParser(description="Render the sample photos.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "photos")
    out = parser.parse_args().out
    for name in KINDS:
        (out / name).mkdir(parents=True, exist_ok=True)
        for number in range(1, PHOTOS_PER_KIND + 1):
            file = f"{name.replace('/', '_').lower()}_{number:02}.jpg"
            take_photo(name, number).save(out / name / file, quality=85)


if __name__ == "__main__":
    main()
