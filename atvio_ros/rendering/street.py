"""Street furniture: lamps, poles, signs, fences and guard rails. Local axes: x along the road, -y towards it, z up."""

from __future__ import annotations

import numpy as np

from atvio_ros.rendering.mesh import Quads, box, circle, quads, rectangle_uv, walls
from atvio_ros.rendering.textures import Textures
from atvio_ros.types import FloatArray

STEEL = (0.42, 0.43, 0.44)


def lamp(rng: np.random.Generator, height: float) -> Quads:
    """A street lamp with its arm over the road."""
    arm = rng.uniform(0.8, 2.2)
    head = box(0.25, 0.7, height - 0.05, height + 0.12)
    head[:, :, 1] -= arm
    beam = box(0.08, arm, height, height + 0.08)
    beam[:, :, 1] -= arm / 2
    tint = np.full(3, rng.uniform(0.3, 0.9))
    return np.concatenate([_pole(0.075, height, tint), quads(np.concatenate((head, beam)), rectangle_uv(), tint, 0)])


def post(rng: np.random.Generator, height: float, radius: float) -> Quads:
    """A bollard, delineator, telegraph pole or tree guard."""
    tint = np.array(((0.85, 0.85, 0.82), STEEL, (0.4, 0.3, 0.2), (0.6, 0.1, 0.1))[rng.integers(4)])
    return _pole(radius, height, tint)


def traffic_sign(textures: Textures, rng: np.random.Generator) -> Quads:
    """A panel on a pole, facing the traffic."""
    size, height = rng.uniform(0.5, 1.1), rng.uniform(2.0, 2.7)
    wide = size * rng.uniform(0.7, 1.8)
    panel = box(0.05, wide, height, height + size)
    tint = np.full(3, rng.uniform(0.8, 1.2))
    return np.concatenate(
        [_pole(0.035, height + size, STEEL), quads(panel, rectangle_uv(), tint, textures.pick('sign', rng))]
    )


def billboard(textures: Textures, rng: np.random.Generator) -> Quads:
    """A large panel on two legs."""
    wide, high, foot = rng.uniform(2.5, 5.0), rng.uniform(1.8, 3.0), rng.uniform(0.8, 2.5)
    panel = box(0.15, wide, foot, foot + high)
    legs = [_pole(0.07, foot, STEEL) for _ in range(2)]
    for leg, side in zip(legs, (-0.4, 0.4), strict=True):
        leg['position'][..., 1] += side * wide
    return np.concatenate([*legs, quads(panel, rectangle_uv(), np.full(3, 1.0), textures.pick('sign', rng))])


def guard_rail(textures: Textures, length: float) -> Quads:
    """A steel rail on posts."""
    rail = np.array(
        [[(-length / 2, 0.0, 0.45), (length / 2, 0.0, 0.45), (length / 2, 0.0, 0.76), (-length / 2, 0.0, 0.76)]]
    )
    posts = [box(0.1, 0.12, -0.3, 0.7) + np.array((x, 0.1, 0.0)) for x in np.arange(-length / 2, length / 2, 4.0)]
    return np.concatenate(
        [
            quads(rail, rectangle_uv(length / 4), (0.95, 0.97, 1.0), textures.layers['rail'][0]),
            quads(np.concatenate(posts), rectangle_uv(), STEEL, 0),
        ]
    )


def fence(textures: Textures, rng: np.random.Generator, length: float, height: float) -> Quads:
    """A see-through fence."""
    panel = np.array(
        [[(-length / 2, 0, 0), (length / 2, 0, 0), (length / 2, 0, height), (-length / 2, 0, height)]], float
    )
    return quads(panel, rectangle_uv(length / 2, 0.98), np.full(3, rng.uniform(0.6, 1.2)), textures.pick('fence', rng))


def bin_or_box(rng: np.random.Generator) -> Quads:
    """A waste bin, a switch cabinet or a planter."""
    size = rng.uniform(0.5, 1.2, 2)
    return quads(
        box(size[0], size[1], -0.1, rng.uniform(0.7, 1.5)),
        rectangle_uv(),
        np.clip(rng.uniform(0.2, 0.8) + rng.normal(0.0, 0.07, 3), 0.05, 1.0),
        0,
    )


def _pole(radius: float, height: float, tint: FloatArray | tuple[float, float, float]) -> Quads:
    return quads(walls(circle(radius, 5), -0.6, height), rectangle_uv(1.0, 4.0), tint, 0)
