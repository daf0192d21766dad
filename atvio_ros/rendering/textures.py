"""Procedural materials: everything that is painted on the world, drawn again for each seed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from atvio_ros.rendering import facades
from atvio_ros.rendering.conditions import Conditions
from atvio_ros.rendering.noise import SIZE_PX, flat, fractal, rgba, speckle
from atvio_ros.types import ImageArray


@dataclass(frozen=True)
class Textures:
    """A texture array and the layers in which each material's variants lie."""

    images: ImageArray  # (L, SIZE_PX, SIZE_PX, 4); row 0 is v = 0, the bottom
    layers: dict[str, tuple[int, ...]]

    def pick(self, name: str, rng: np.random.Generator) -> int:
        """A random variant of a material."""
        return int(rng.choice(self.layers[name]))

    def under(self, conditions: Conditions) -> Textures:
        """The materials with the road's contrast as the conditions have it."""
        if conditions.texture == 1.0:
            return self
        images = self.images.copy()
        dither = np.random.default_rng(0).random(images.shape[1:3], dtype=np.float32)[..., None]  # below a grey
        for layer in (layer for name in ('asphalt', 'patches', 'line') for layer in self.layers[name]):
            pixels = images[layer].astype(np.float32)
            mean = pixels.mean(axis=(0, 1))
            pixels = mean + (pixels - mean) * np.float32(conditions.texture)
            images[layer] = np.clip(pixels + dither, 0.0, 255.0).astype(np.uint8)
        return Textures(images, self.layers)


def make_textures(rng: np.random.Generator) -> Textures:
    """Draw all materials. Ground is seen from above; everything else stands upright."""
    painters = {
        'plain': (_plain, 1),
        'asphalt': (_asphalt, 3),
        'paving': (_paving, 3),
        'grass': (_grass, 3),
        'soil': (_soil, 2),
        'patches': (_patches, 2),
        'line': (_line, 1),
        'facade': (facades.facade, 8),
        'shop': (facades.shop_front, 3),
        'wall': (facades.wall, 3),
        'roof': (facades.roof, 3),
        'garage': (facades.garage, 2),
        'hedge': (_hedge, 2),
        'leaves': (_leaves, 4),
        'conifer': (_conifer, 2),
        'bark': (_bark, 1),
        'fence': (_fence, 2),
        'rail': (_rail, 1),
        'sign': (_sign, 3),
        'paint': (_paint, 1),
        'glass': (_glass, 2),
    }
    images: list[ImageArray] = []
    layers = {}
    for name, (paint, variants) in painters.items():
        layers[name] = tuple(range(len(images), len(images) + variants))
        images += [paint(rng) for _ in range(variants)]
    return Textures(np.stack(images), layers)


def _plain(rng: np.random.Generator) -> ImageArray:
    return rgba(flat((0.85, 0.85, 0.85)) * (1.0 + 0.03 * fractal(rng, 1.5)[..., None]))


def _asphalt(rng: np.random.Generator) -> ImageArray:
    """Grit of all sizes, stains, repaired patches and tarred cracks, on 6 m square."""
    grey = rng.uniform(0.24, 0.42) * (
        1.0 + 0.1 * fractal(rng, 1.0) + 0.08 * fractal(rng, 2.2) + rng.uniform(0.08, 0.2) * speckle(rng, 1)
    )
    grey += 0.06 * speckle(rng, 3)
    for _ in range(rng.integers(0, 4)):  # repaired patches
        x, y = rng.integers(0, SIZE_PX - 100, 2)
        w, h = rng.integers(30, 200, 2)
        grey[y : y + h, x : x + w] *= rng.uniform(0.75, 1.2)
    for _ in range(rng.integers(2, 9)):  # cracks, some of them filled with tar
        walk = np.cumsum(rng.normal(0.0, 9.0, (60, 2)) + rng.normal(0.0, 6.0, 2), axis=0) + rng.uniform(0, SIZE_PX, 2)
        shade = rng.uniform(0.3, 0.75) * float(grey.mean())
        cv2.polylines(grey, [walk.astype(np.int32)], False, shade, int(rng.integers(1, 4)), cv2.LINE_AA)
    tint = 1.0 + rng.normal(0.0, 0.02, 3)
    return rgba(grey[..., None] * tint)


def _paving(rng: np.random.Generator) -> ImageArray:
    """Slabs, cobbles or bare concrete on 3 m square."""
    rows, columns = (int(rng.choice((5, 6, 8, 10, 16))) for _ in range(2))
    grey = 0.55 * (1.0 + 0.08 * fractal(rng, 1.2) + 0.07 * speckle(rng, 1))
    stones = rng.normal(1.0, rng.uniform(0.03, 0.12), (rows, columns))
    grey *= cv2.resize(stones, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_NEAREST)
    joint = rng.uniform(0.45, 0.8)
    for row in range(rows):
        y = row * SIZE_PX // rows
        grey[y : y + 3] *= joint
        shift = (row % 2) * SIZE_PX // columns // 2
        for column in range(columns):
            x = (column * SIZE_PX // columns + shift) % SIZE_PX
            grey[y : y + SIZE_PX // rows, x : x + 3] *= joint
    return rgba(grey[..., None] * np.array((1.0, rng.uniform(0.9, 1.0), rng.uniform(0.8, 1.0))))


def _grass(rng: np.random.Generator) -> ImageArray:
    """Tufts, dry spots and weeds on 4 m square."""
    light = 1.0 + 0.25 * fractal(rng, 0.7) + 0.06 * fractal(rng, 1.6) + 0.22 * speckle(rng, 2) + 0.08 * speckle(rng, 9)
    dry = np.clip(rng.uniform(0.2, 0.7) + 0.25 * fractal(rng, 0.8), 0.0, 1.0)[..., None]
    colour = flat((0.26, 0.33, 0.17)) * (1 - dry) + flat((0.4, 0.37, 0.24)) * dry
    return rgba(colour * light[..., None])


def _soil(rng: np.random.Generator) -> ImageArray:
    light = 1.0 + 0.2 * fractal(rng, 0.8) + 0.05 * fractal(rng, 1.6) + 0.15 * speckle(rng, 2)
    furrows = 1.0 + 0.15 * np.sin(np.arange(SIZE_PX) * 2 * np.pi * rng.integers(4, 12) / SIZE_PX)
    return rgba(flat((0.45, 0.36, 0.25)) * (light * furrows)[..., None])


def _patches(rng: np.random.Generator) -> ImageArray:
    """Brightness of the ground over tens of metres: wear, damp, repairs. Mean one half."""
    grey = 0.5 + 0.1 * fractal(rng, 2.0) + 0.05 * fractal(rng, 1.2)
    for _ in range(rng.integers(4, 12)):
        x, y = rng.integers(0, SIZE_PX - 20, 2)
        w, h = rng.integers(10, 160, 2)
        grey[y : y + h, x : x + w] += rng.normal(0.0, 0.07)
    for _ in range(rng.integers(5, 16)):
        walk = np.cumsum(rng.normal(0.0, 8.0, (50, 2)) + rng.normal(0.0, 6.0, 2), axis=0) + rng.uniform(0, SIZE_PX, 2)
        cv2.polylines(grey, [walk.astype(np.int32)], False, rng.uniform(0.15, 0.35), 1, cv2.LINE_AA)
    return rgba(np.repeat(grey[..., None], 3, axis=2))


def _line(rng: np.random.Generator) -> ImageArray:
    """Worn road paint; it is never quite white."""
    worn = np.clip(0.82 + 0.1 * fractal(rng, 1.4) + 0.05 * speckle(rng, 2), 0.3, 1.0)
    return rgba(np.repeat(worn[..., None], 3, axis=2))


def _hedge(rng: np.random.Generator) -> ImageArray:
    """Dense foliage on 2 m square."""
    light = np.clip(0.7 + 0.3 * fractal(rng, 0.9) + 0.35 * speckle(rng, 4), 0.1, 1.8)
    return rgba(flat((0.2, 0.3, 0.12)) * light[..., None])


def _leaves(rng: np.random.Generator) -> ImageArray:
    """A clump of twigs and leaves with holes, faded out towards a ragged round edge."""
    axis = np.linspace(-1.0, 1.0, SIZE_PX)
    radius = np.hypot(*np.meshgrid(axis, axis))
    dense = 0.55 * fractal(rng, 1.5) + 0.45 * speckle(rng, 7)
    inside = 1.15 - 1.6 * radius**2 + rng.uniform(0.35, 0.6) * dense
    alpha = np.clip((inside - 0.35) * 8.0, 0.0, 1.0)
    light = np.clip(0.8 + 0.3 * fractal(rng, 1.0) + 0.35 * speckle(rng, 5) + 0.25 * axis[:, None], 0.1, 2.0)
    colour = np.array((rng.uniform(0.2, 0.36), rng.uniform(0.28, 0.37), rng.uniform(0.12, 0.2)))
    return rgba(colour * light[..., None], alpha)


def _conifer(rng: np.random.Generator) -> ImageArray:
    """A whole spruce, its tip at the top."""
    v, u = np.meshgrid(np.linspace(0.0, 1.0, SIZE_PX), np.linspace(-1.0, 1.0, SIZE_PX), indexing='ij')
    boughs = 0.12 * np.sin(v * rng.uniform(50.0, 80.0) + 3.0 * np.abs(u)) + 0.16 * speckle(rng, 6)
    inside = (1.0 - v) * 0.85 + 0.05 + boughs * (1.1 - v) - np.abs(u)
    alpha = np.clip(inside * 14.0, 0.0, 1.0)
    alpha[: int(0.03 * SIZE_PX)] *= np.abs(u[: int(0.03 * SIZE_PX)]) < 0.05
    light = np.clip(0.75 + 0.3 * speckle(rng, 4) + 0.3 * fractal(rng, 1.0), 0.1, 2.0)
    return rgba(flat((0.13, 0.2, 0.1)) * light[..., None], alpha)


def _bark(rng: np.random.Generator) -> ImageArray:
    grain = cv2.resize(fractal(rng, 1.0)[: SIZE_PX // 6], (SIZE_PX, SIZE_PX))
    return rgba(flat((0.32, 0.27, 0.21)) * np.clip(1.0 + 0.3 * grain, 0.3, 2.0)[..., None])


def _fence(rng: np.random.Generator) -> ImageArray:
    """Pickets or bars on 2 m square, see-through between them."""
    alpha = np.zeros((SIZE_PX, SIZE_PX))
    bars = int(rng.choice((10, 14, 20)))
    for bar in range(bars):
        x = bar * SIZE_PX // bars
        alpha[:, x : x + int(SIZE_PX / bars * rng.uniform(0.35, 0.6))] = 1.0
    for y in (0.12, 0.8):
        alpha[int(y * SIZE_PX) : int((y + 0.07) * SIZE_PX)] = 1.0
    colour = np.array(((0.5, 0.4, 0.28), (0.75, 0.75, 0.72), (0.2, 0.22, 0.2))[rng.integers(3)])
    return rgba(colour * (1.0 + 0.12 * fractal(rng, 1.2)[..., None]), alpha)


def _rail(rng: np.random.Generator) -> ImageArray:
    """The W profile of a steel guard rail, with a post each tile."""
    profile = 0.55 + 0.2 * np.sin(np.linspace(0.0, 4 * np.pi, SIZE_PX))
    grey = profile[:, None] * (1.0 + 0.06 * fractal(rng, 1.2))
    grey[:, :14] *= 0.55
    return rgba(np.repeat(grey[..., None], 3, axis=2))


def _sign(rng: np.random.Generator) -> ImageArray:
    """A panel with an edge and something that looks like writing."""
    ground = np.array(((0.1, 0.2, 0.6), (0.9, 0.9, 0.88), (0.9, 0.75, 0.1), (0.1, 0.4, 0.25))[rng.integers(4)])
    ink = (0.95, 0.95, 0.95) if ground.sum() < 1.5 else (0.1, 0.1, 0.1)
    panel = np.ascontiguousarray(flat(tuple(ground)))
    cv2.rectangle(panel, (14, 14), (SIZE_PX - 15, SIZE_PX - 15), ink, 10)
    for row in range(rng.integers(2, 5)):
        x = 60
        while x < SIZE_PX - 120:
            w = int(rng.integers(15, 60))
            cv2.rectangle(panel, (x, 80 + row * 100), (x + w, 130 + row * 100), ink, -1)
            x += w + int(rng.integers(10, 40))
    return rgba(panel)


def _paint(rng: np.random.Generator) -> ImageArray:
    """Car paint: it mirrors the ground below and the sky above a dark line at the horizon."""
    v = np.linspace(0.0, 1.0, SIZE_PX)[:, None]
    light = 0.62 + 0.25 * v + 0.22 * np.exp(-(((v - 0.72) / 0.1) ** 2)) - 0.2 * np.exp(-(((v - 0.5) / 0.06) ** 2))
    light = np.broadcast_to(light, (SIZE_PX, SIZE_PX)) + 0.02 * fractal(rng, 1.6)
    for x in (0.3, 0.52, 0.73):  # door gaps
        light[:, int(x * SIZE_PX) : int(x * SIZE_PX) + 4] *= 0.5
    return rgba(np.repeat(light[..., None], 3, axis=2))


def _glass(rng: np.random.Generator) -> ImageArray:
    """Car windows: dark inside, with slanting reflections of the sky."""
    v, u = np.meshgrid(np.linspace(0.0, 1.0, SIZE_PX), np.linspace(0.0, 1.0, SIZE_PX), indexing='ij')
    band = np.clip(np.sin((u + 0.6 * v) * rng.uniform(6.0, 14.0) + rng.uniform(0.0, 6.0)) * 3.0, 0.0, 1.0)
    light = 0.12 + 0.25 * v + rng.uniform(0.15, 0.4) * band * v + 0.04 * fractal(rng, 1.5)
    return rgba(np.clip(light, 0.03, 1.0)[..., None] * np.array((0.85, 0.95, 1.0)))
