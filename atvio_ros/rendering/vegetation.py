"""Trees and bushes as clumps of leaf cards around a trunk. Local axes: z up, origin at the foot."""

from __future__ import annotations

import numpy as np

from atvio_ros.rendering.mesh import Quads, circle, quads, rectangle_uv, walls
from atvio_ros.rendering.textures import Textures
from atvio_ros.types import FloatArray


def tree(textures: Textures, rng: np.random.Generator, height: float, spread: float, cards: int) -> tuple[Quads, Quads]:
    """Trunk (opaque) and crown (see-through) of a broad-leaved tree; `spread` is the crown's diameter [m]."""
    clear = height * rng.uniform(0.2, 0.38)
    radius = 0.03 * height  # the crown is about 1.7 times as high as wide: patterns are as wide as high
    trunk = walls(circle(radius, 5), -0.5, clear + 0.35 * (height - clear))
    trunk[:, 2:, :2] *= 0.6
    trunk[:, 2:, :2] += rng.normal(0.0, 0.04 * height, 2)
    parts = [quads(trunk, rectangle_uv(1.0, 3.0), np.full(3, rng.uniform(0.5, 1.0)), textures.pick('bark', rng))]
    for _ in range(3):  # boughs
        angle, lean = rng.uniform(0, 2 * np.pi), spread * rng.uniform(0.2, 0.35)
        bough = walls(circle(radius * 0.45, 3), clear * 0.85, clear + (height - clear) * 0.45)
        bough[:, 2:, :2] += lean * np.array((np.cos(angle), np.sin(angle)))
        parts.append(quads(bough, rectangle_uv(1.0, 2.0), np.full(3, 0.7), textures.pick('bark', rng)))
    middle = (clear + height) / 2
    crown = _clump(rng, cards, np.array((spread / 2, spread / 2, (height - clear) / 2)), np.array((0.0, 0.0, middle)))
    tint = rng.uniform(0.7, 1.5) * (1.0 + rng.normal(0.0, 0.08, 3))
    return np.concatenate(parts), quads(crown, rectangle_uv(), tint, textures.pick('leaves', rng))


def bush(textures: Textures, rng: np.random.Generator, height: float, spread: float, cards: int) -> Quads:
    """A shrub that reaches the ground."""
    clump = _clump(rng, cards, np.array((spread / 2, spread / 2, height / 2)), np.array((0.0, 0.0, height * 0.45)))
    tint = rng.uniform(0.5, 1.2) * (1.0 + rng.normal(0.0, 0.1, 3))
    return quads(clump, rectangle_uv(), tint, textures.pick('leaves', rng))


def conifer(textures: Textures, rng: np.random.Generator, height: float, spread: float) -> Quads:
    """A spruce: three upright cards that cross in its stem."""
    cards = np.empty((3, 4, 3))
    for i, angle in enumerate(np.arange(3) * np.pi / 3 + rng.uniform(0.0, 1.0)):
        across = spread / 2 * np.array((np.cos(angle), np.sin(angle), 0.0))
        up = np.array((0.0, 0.0, height))
        foot = np.array((0.0, 0.0, -0.2))
        cards[i] = (foot - across, foot + across, foot + across + up, foot - across + up)
    tint = rng.uniform(0.6, 1.4) * (1.0 + rng.normal(0.0, 0.06, 3))
    return quads(cards, rectangle_uv(), tint, textures.pick('conifer', rng))


def _clump(rng: np.random.Generator, cards: int, half: FloatArray, middle: FloatArray) -> FloatArray:
    """Cards (cards, 4, 3) of random orientation in an ellipsoid of half-axes `half` around `middle`."""
    normal = rng.standard_normal((cards, 3)) * (1.0, 1.0, 0.5)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    across = np.cross(normal, (0.0, 0.0, 1.0))
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
    up = np.cross(across, normal)
    where = rng.standard_normal((cards, 3))
    where *= (rng.random((cards, 1)) ** (1 / 3)) / np.linalg.norm(where, axis=1, keepdims=True)
    centre = middle + where * half * 0.55
    size = half.mean() * rng.uniform(0.65, 1.05, (cards, 1))
    return np.stack(
        (
            centre - across * size - up * size,
            centre + across * size - up * size,
            centre + across * size + up * size,
            centre - across * size + up * size,
        ),
        axis=1,
    )
