"""Render the sample photos for `make demo`: synthetic fruit on a table.

The fruits of sample_kinds.py become clouds of surface samples (sample_bodies.py) on the table,
z = 0. A photo is such a cloud as seen by a camera, painted, lit and blurred. Lengths are in fruit
radii, colours are linear RGB in 0..1, and images are flat, with one row per pixel.
"""

import argparse
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from sample_bodies import (
    GOLDEN,
    UP,
    Array,
    Body,
    Samples,
    axes_about,
    dot,
    grow,
    join,
    noise,
    paint,
    rgb,
    rotation,
    smoothstep,
    unit,
)
from sample_kinds import KINDS, Kind

SEED = 7
PHOTOS_PER_KIND = 6
LONG, SHORT = 432, 324  # sides of a photo in pixels
OVERSAMPLE = 1.25  # render at a higher resolution, to smooth the edges
FOCAL = 1.9  # focal length, in units of the short side


def lay_out(kind: Kind, n: int, rng: Generator) -> tuple[Array, Array]:
    """(n, 3) positions, with z the height above the table, and (n, 3) tilts, azimuths and spins."""
    tilt, spin = np.radians(rng.uniform(*kind.tilt, n)), rng.uniform(0, 2 * np.pi, n)
    azimuth: Array = np.pi * rng.integers(0, 2, n) + rng.normal(0, 0.6, n)  # seen from the side
    place: Array = np.zeros((n, 3))
    k = np.arange(n)
    if kind.layout == "fan":
        azimuth, spin = rng.uniform(0, 2 * np.pi) + 0.17 * k, np.full(n, np.pi / 2)
        place[:, 2] = 0.15 * k
    elif kind.layout == "bunch":  # rings around a horizontal stem, wide at one end
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
                room, angle = 1.03 * room, rng.uniform(0, 2 * np.pi)
                place[i, :2] = room * rng.random() ** 0.5 * np.array([np.cos(angle), np.sin(angle)])
    return place, np.stack([tilt, azimuth, spin], axis=1)


def arrange(kind: Kind, number: int, rng: Generator) -> tuple[Samples, list[Body]]:
    """Place the fruits of one photo on the table; every other fruit of a cuttable kind is cut."""
    place, poses = lay_out(kind, int(rng.integers(kind.count[0], kind.count[1] + 1)), rng)
    span = np.ptp(place[:, :2], axis=0).max() / 2 + max(1, 0.8 * kind.reach)
    fruits: list[Samples] = []
    bodies: list[Body] = []
    for i, at in enumerate(place):
        pose, cut, first = poses[i], "", len(bodies)
        if kind.cuts and (i + number) % 2:
            cut = kind.cuts[number // 2 % len(kind.cuts)]
            pose = (
                rng.uniform(0.2, 0.6),
                rng.normal(-np.pi / 2, 0.4),
                pose[2],
            )  # cut face towards the camera
        fruit = grow(kind, 0.48 * SHORT * OVERSAMPLE / span, cut, bodies, rng)
        fruit.turn(rotation(*pose), rng.uniform(0.9, 1.1))
        if kind.layout == "fan":
            fruit.xyz -= fruit.xyz[-1]  # the last sample is the tip of the stem
        fruit.xyz += at - UP * fruit.xyz[fruit.body == first, 2].min()
        fruit.xyz[:, 2] = fruit.xyz[:, 2].clip(0.02)  # leaves and stems rest on the table
        fruits.append(fruit)
    scene = join(fruits)
    for axis in (0, 1):
        scene.xyz[:, axis] -= (scene.xyz[:, axis].min() + scene.xyz[:, axis].max()) / 2
    return scene, bodies


@dataclass
class Camera:
    """A camera at `eye` (3,); the rows of `axes` (3, 3) point right, down and ahead."""

    eye: Array
    axes: Array
    width: int
    height: int

    def rays(self) -> Array:
        """(height * width, 3) unit vectors through the pixels, row by row."""
        y, x = np.mgrid[: self.height, : self.width].reshape(2, -1).astype(np.float32) + 0.5
        ahead = np.full_like(x, FOCAL * min(self.width, self.height))
        return unit(np.stack([x - self.width / 2, y - self.height / 2, ahead], axis=1) @ self.axes)

    def nearest(self, scene: Samples) -> NDArray[np.int64]:
        """(height * width,) index of the sample visible in each pixel, -1 for the table."""
        away = scene.xyz - self.eye
        right, down, ahead = np.ascontiguousarray((away @ self.axes.T).T)
        zoom = FOCAL * min(self.width, self.height) / ahead
        x = (right * zoom + self.width / 2).astype(np.int32)
        y = (down * zoom + self.height / 2).astype(np.int32)
        inside = (x > 0) & (y > 0) & (x < self.width - 1) & (y < self.height - 1)
        seen = np.flatnonzero(inside & (dot(scene.normal, away) < 0))
        seen = seen[
            np.argsort(-ahead[seen])
        ]  # far to near, so that near samples overwrite far ones
        patch = np.array([0, 1, self.width, self.width + 1])  # 2 x 2 pixels, to avoid gaps
        index = np.full(self.width * self.height, -1)
        pixel = y[seen] * self.width + x[seen]
        index[(pixel[:, None] + patch).ravel()] = np.repeat(seen, 4)
        # Prefer a sample that falls into the pixel to the edge of a neighbour's patch.
        rival = index[pixel]
        own = (scene.body[seen] == scene.body[rival]) & (ahead[seen] < ahead[rival] + 0.05)
        index[pixel[own]] = seen[own]
        return index


def aim(reach: float, top: float, rng: Generator) -> Camera:
    """A camera looking down at a scene of half-width `reach` and height `top`."""
    pitch, roll = np.radians(rng.uniform(30, 58)), rng.normal(0, 0.05)
    ahead = np.array([0, np.cos(pitch), -np.sin(pitch)])
    tip = np.sin(roll)
    right = unit([np.cos(roll), tip * np.sin(pitch), tip * np.cos(pitch)])
    target = np.array([*rng.uniform(-0.12, 0.12, 2) * reach, 0.45 * top])
    distance = 2 * FOCAL * max(0.85 * reach, 0.65 * top) / rng.uniform(0.75, 1.0)
    sides = int(LONG * OVERSAMPLE), int(SHORT * OVERSAMPLE)
    axes = np.stack([right, np.cross(ahead, right), ahead]).astype(np.float32)
    eye = (target - distance * ahead).astype(np.float32)
    return Camera(eye, axes, *(sides if rng.random() < 0.8 else sides[::-1]))


def sight_of(points: Array, cloud: Array, directions: Array, reach: float) -> Array:
    """(n,) share of the directions in which points (n, 3) are not occluded by the cloud (m, 3).

    For each direction, a depth map of the cloud holds the nearest sample of each cell.
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
    """(n, 3) directions evenly distributed within `angle` radians of a unit axis."""
    k = np.arange(n) + 0.5
    z = 1 - k / n * (1 - np.cos(angle))
    x, y = np.sqrt(1 - z * z) * (np.cos(GOLDEN * k), np.sin(GOLDEN * k))
    return (np.stack([x, y, z], axis=1) @ axes_about(axis)).astype(np.float32)


def wood(p: Array) -> Array:
    """Boards with grain. For every table, p is (n, 3) with z = 0 and the result is (n,) in 0..1."""
    board = np.floor(p[:, 1] / 2.3)
    q = np.stack([0.12 * p[:, 0] + 2.7 * board, p[:, 1], 3.1 * board], axis=1)
    ring = 0.5 + 0.5 * np.sin(40 * noise(q * (1, 0.5, 1)) + 3 * noise(q * (6, 1, 1)))
    grain = 0.45 * ring + 0.9 * noise(q * (2, 5, 1)) - 0.25 + 0.3 * np.sin(2.4 * board)
    gap = smoothstep(0.0, 0.03, abs(p[:, 1] / 2.3 - board - 0.5) * -1 + 0.5)
    boards: Array = grain.clip(0.1, 1) * gap
    return boards


def cloth(p: Array) -> Array:
    """Checked cloth with a weave and soft folds."""
    check: Array = smoothstep(-0.1, 0.1, np.sin(2.4 * p[:, :2])).mean(axis=1)
    weave: Array = 0.04 * np.sin(55 * p[:, 0]) * np.sin(55 * p[:, 1])
    return 0.75 * check + weave + 0.5 * noise(p * (0.25, 0.5, 1)) - 0.12


def marble(p: Array) -> Array:
    """Stone with veins where noise crosses its mean."""
    warped = p + 1.2 * noise(p * 0.4)[:, None]
    vein = smoothstep(0.1, 0.0, abs(noise(warped * 0.3) - 0.5))
    fine = smoothstep(0.05, 0.0, abs(noise(warped * 0.7 + 3) - 0.5))
    stone: Array = 0.55 * vein + 0.3 * fine + 0.4 * noise(p * 0.5) - 0.1
    return stone


def grass(p: Array) -> Array:
    """Blades of grass: noise stretched in several directions, the brightest on top."""
    turned = [p @ rotation(0, angle) * (0.8, 6, 1) + angle for angle in (0.2, 1.1, 1.9, 2.7)]
    return smoothstep(0.4, 1.0, np.max([noise(q) for q in turned], axis=0))


def slate(p: Array) -> Array:
    """Plain slate with low-frequency noise and grit."""
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
    view = View(
        xyz, np.tile(UP, (len(xyz), 1)), np.zeros_like(xyz), np.zeros((3, len(xyz)), np.float32)
    )
    texture, dark, pale = TABLES[rng.integers(len(TABLES))]
    scale = 2.6 / np.linalg.norm(camera.eye) * FOCAL
    share = texture(xyz[table] @ rotation(0, rng.uniform(-0.6, 0.6)) * scale).clip(0, 1)
    view.albedo[table] = rgb(dark) + share[:, None] * (rgb(pale) - rgb(dark))
    view.finish[:, table] = [[0.06], [0.6], [0.0]]

    seen = scene.take(index[pixels])
    view.xyz[pixels], view.normal[pixels] = seen.xyz, seen.normal
    for number in np.unique(seen.body):
        kind, tint = bodies[number]
        for face in (False, True):
            rows = np.flatnonzero((seen.body == number) & (seen.cut == face))
            if not len(rows):
                continue
            s, at = seen.take(rows), pixels[rows]
            colour, layers = kind.flesh if face else (kind.colour, kind.layers)
            view.albedo[at] = paint(colour, layers, s) * tint
            gloss = 0.15 if face else kind.gloss
            view.finish[:, at] = [[gloss], [kind.rough], [kind.fuzz]]
            if kind.bump:
                grain = [noise(s.local * 1.3 + k) - 0.5 for k in (1, 4, 7)]
                view.normal[at] = unit(s.normal + kind.bump * np.stack(grain, axis=1))
    return view


def illuminate(
    view: View, scene: Samples, rays: Array, shape: tuple[int, int], rng: Generator
) -> Array:
    """(n, 3) linear light that reaches the camera from the pixels, under a sun and a sky."""
    sun_at = unit([rng.choice([-1, 1]) * rng.uniform(0.4, 1.2), rng.uniform(-0.5, 0.9), 1.3])
    warmth = rng.uniform(-0.06, 0.14)
    sun = rng.uniform(1.5, 2.5) * np.array([1 + warmth, 1, 1 - 1.6 * warmth], np.float32)
    sky = rng.uniform(0.5, 0.85) * np.array([0.94, 1, 1.08], np.float32)
    reach = 2.2 * np.sqrt(dot(scene.xyz, scene.xyz).max())
    cloud = scene.xyz[:: len(scene.xyz) // 60_000 + 1]

    def sight(directions: Array) -> Array:
        # Light and shadows are soft, so half the resolution is enough.
        points = (
            (view.xyz + 0.012 * reach * view.normal).reshape(*shape, 3)[::2, ::2].reshape(-1, 3)
        )
        share = 255 * sight_of(points, cloud, directions, reach).reshape((shape[0] + 1) // 2, -1)
        soft = Image.fromarray(share.astype(np.uint8)).filter(ImageFilter.BoxBlur(1))
        full = soft.resize(shape[::-1], Image.Resampling.BILINEAR)
        return np.asarray(full, np.float32).ravel() / 255

    lit = sight(spread(sun_at, rng.uniform(0.06, 0.25), 8))
    open_sky = sight(spread(UP, 1.35, 10))
    facing, above = (view.normal @ sun_at).clip(0) * lit, 0.5 + 0.5 * view.normal[:, 2]
    bounce = 0.35 * view.albedo.mean(axis=0) * sun
    light = facing[:, None] * sun + (above * open_sky)[:, None] * sky
    light += ((1 - above) * (0.3 + 0.7 * open_sky))[:, None] * bounce

    gloss, rough, fuzz = view.finish
    toward = -dot(view.normal, rays).clip(None, 0)
    mirror, graze = rays + 2 * toward[:, None] * view.normal, (1 - toward) ** 3
    light += (fuzz * graze * (facing + open_sky) * 0.6)[:, None]
    side, rise, front = axes_about(sun_at) @ mirror.T
    # The highlight is square, like a window.
    pane = np.exp(-((np.maximum(abs(side), abs(rise)) / rough) ** 4)) * (front > 0) * lit
    shine = (gloss * 0.22 * pane / (0.3 + rough))[:, None] * sun
    shine += (gloss * (0.03 + 0.4 * graze) * open_sky * (0.5 + 0.5 * mirror[:, 2]))[:, None] * sky
    sent: Array = view.albedo * light + shine
    return sent


def develop(light: Array, ahead: Array, shape: tuple[int, int], rng: Generator) -> Image.Image:
    """Develop the photo: tone, depth of field, size, vignette and sensor noise.

    `light` (n, 3) is linear; `ahead` (n,) is the distance of each pixel relative to the focus.
    """
    tone = (1 - np.exp(-1.15 * rng.uniform(0.85, 1.15) * light)) ** (1 / 2.2)
    sharp = Image.fromarray((255 * tone).astype(np.uint8).reshape(*shape, 3))
    far = 255 * np.clip(abs(ahead - 1) * 3.5 - 0.15, 0, 1)
    mask = Image.fromarray(far.astype(np.uint8).reshape(shape)).filter(ImageFilter.BoxBlur(2))
    photo = Image.composite(sharp.filter(ImageFilter.GaussianBlur(3.5)), sharp, mask)
    photo = photo.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 0.9)))
    size = LONG, SHORT
    photo = photo.resize(size if shape[0] < shape[1] else size[::-1], Image.Resampling.BOX)
    pixels: Array = np.asarray(photo, np.float32)
    y, x = (np.linspace(-1, 1, n) for n in pixels.shape[:2])
    pixels = pixels * (1 - rng.uniform(0.02, 0.1) * (x * x + y[:, None] ** 2))[..., None]
    pixels += rng.normal(0, 2, (*pixels.shape[:2], 1)) + rng.normal(0, 0.8, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def take_photo(name: str, number: int) -> Image.Image:
    """Photo `number` of the kind `name`; photos have their own seeds and are independent."""
    rng = np.random.default_rng([SEED, zlib.crc32(name.encode()), number])
    scene, bodies = arrange(KINDS[name], number, rng)
    reach = np.hypot(scene.xyz[:, 0], scene.xyz[:, 1]).max()
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
