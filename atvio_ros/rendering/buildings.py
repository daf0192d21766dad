"""Houses, sheds and noise barriers. Local axes: x along the front, -y towards the road, z up."""

from __future__ import annotations

import numpy as np

from atvio_ros.rendering.mesh import Quads, box, quads, rectangle, rectangle_uv, walls
from atvio_ros.rendering.textures import Textures
from atvio_ros.types import FloatArray

STOREY_M = 3.0
BAY_M = 3.0
FOUNDATION_M = -2.5  # walls reach below ground, so that none floats on a slope


def house(
    textures: Textures, rng: np.random.Generator, width: float, depth: float, storeys: int, gable: bool, shop: bool
) -> Quads:
    """A house of `storeys` floors on a width x depth plan [m], with a pitched or a flat roof."""
    layer = textures.pick('facade', rng)
    tint = rng.uniform(0.75, 1.1) * (1.0 + rng.normal(0.0, 0.04, 3))
    top = storeys * STOREY_M + 0.4
    outline = rectangle(width, depth)
    bays = np.maximum(np.round(np.array((width, depth, width, depth)) / BAY_M), 1.0)
    corner = rng.integers(0, 4, 2) / 4
    uv = np.stack([rectangle_uv(n / 4, storeys / 4, corner[0], corner[1]) for n in bays])
    parts = [quads(walls(outline, 0.4, top), uv, tint, layer)]
    base = textures.pick('wall', rng)
    parts.append(quads(walls(outline * 1.002, FOUNDATION_M, 0.4), rectangle_uv(width / 3, 1.0), tint * 0.7, base))
    if shop:
        front = walls(outline, 0.0, 3.4)[:1]
        front[:, :, 1] -= 0.06
        parts.append(
            quads(
                front,
                rectangle_uv(width / 10, 0.5, rng.random(), rng.integers(2) / 2),
                tint,
                textures.pick('shop', rng),
            )
        )
    roof_layer = textures.pick('roof', rng)
    if gable:
        parts += _gable(textures, rng, width, depth, top, tint, roof_layer)
    else:
        lid = box(width + 0.4, depth + 0.4, top, top + rng.uniform(0.3, 0.9))
        parts.append(quads(lid, rectangle_uv(width / 4, 0.2), tint * rng.uniform(0.5, 1.1), textures.pick('wall', rng)))
    if rng.random() < 0.3:
        parts.append(_balconies(rng, width, depth, storeys))
    if rng.random() < 0.5:
        parts.append(_bay_window(rng, width, depth, top, layer, tint))
    return np.concatenate(parts)


def shed(textures: Textures, rng: np.random.Generator, width: float, depth: float, height: float) -> Quads:
    """A garage, barn or hall: few windows, low roof."""
    name = 'garage' if width < 9.0 else 'wall'
    tint = rng.uniform(0.5, 1.0) * (1.0 + rng.normal(0.0, 0.08, 3))
    outline = rectangle(width, depth)
    uv = np.stack([rectangle_uv(max(1.0, round(n / 3.2)), max(1.0, round(height / 4))) for n in (width, depth) * 2])
    body = quads(walls(outline, 0.0, height), uv, tint, textures.pick(name, rng))
    body['layer'][1:, :, 0] = textures.pick('wall', rng)
    foot = quads(walls(outline, FOUNDATION_M, 0.0), rectangle_uv(3.0, 1.0), tint * 0.8, textures.pick('wall', rng))
    return np.concatenate([body, foot, *_gable(textures, rng, width, depth, height, tint, textures.pick('roof', rng))])


def barrier(textures: Textures, rng: np.random.Generator, length: float, height: float, name: str) -> Quads:
    """A wall, noise barrier or hedge of rectangular section along the road."""
    faces = box(length, 0.9 if name == 'hedge' else 0.3, -0.6, height)
    uv = np.stack(
        [rectangle_uv(extent / 2.5, height / 2.5, rng.random()) for extent in (length, 0.5, length, 0.5, length)]
    )
    return quads(faces, uv, rng.uniform(0.6, 1.2) * (1.0 + rng.normal(0.0, 0.05, 3)), textures.pick(name, rng))


def _gable(
    textures: Textures, rng: np.random.Generator, width: float, depth: float, top: float, tint: FloatArray, layer: int
) -> list[Quads]:
    """A pitched roof with its gable walls, chimneys and dormers; `top` is the height of the walls."""
    rise = depth / 2 * np.tan(np.radians(rng.uniform(25.0, 48.0)))
    x, y, over = width / 2, depth / 2, 0.4
    eave = top - over * rise / y
    ridge = [(-x - over, 0.0, top + rise), (x + over, 0.0, top + rise)]
    front = [(-x - over, -y - over, eave), (x + over, -y - over, eave), ridge[1], ridge[0]]
    back = [(x + over, y + over, eave), (-x - over, y + over, eave), ridge[0], ridge[1]]
    slope = np.hypot(rise, y)
    parts = [quads(np.array((front, back)), rectangle_uv(width / 4, slope / 4), tint, layer)]
    ends = [
        [(s * x, -s * y, top), (s * x, s * y, top), (s * x, 0.0, top + rise), (s * x, 0.0, top + rise)] for s in (1, -1)
    ]
    parts.append(quads(np.array(ends), rectangle_uv(depth / 3, rise / 3), tint * 0.95, textures.pick('wall', rng)))
    for _ in range(rng.integers(0, 3)):  # chimneys
        chimney = box(0.6, 0.6, top, top + rise + 0.9)
        chimney[:, :, 0] += rng.uniform(-x * 0.8, x * 0.8)
        chimney[:, :, 1] += rng.uniform(-0.3, 0.3) * y
        parts.append(quads(chimney, rectangle_uv(0.3, 1.0), (0.55, 0.4, 0.35), textures.pick('wall', rng)))
    if rng.random() < 0.45:  # dormers
        for offset in np.arange(-x + 2.0, x - 1.5, rng.uniform(2.5, 4.5)):
            dormer = box(1.5, y, top + rise * 0.15, top + rise * 0.62)
            dormer[:, :, 0] += offset
            dormer[:, :, 1] -= y * 0.2
            parts.append(quads(dormer, rectangle_uv(0.25, 0.25), tint, textures.pick('facade', rng)))
    return parts


def _balconies(rng: np.random.Generator, width: float, depth: float, storeys: int) -> Quads:
    columns = np.arange(-width / 2 + 2.0, width / 2 - 1.5, rng.choice((3.0, 6.0)))
    slabs = []
    for storey in range(1, storeys):
        for column in columns:
            slab = box(2.4, 1.1, storey * STOREY_M + 0.3, storey * STOREY_M + 1.3)
            slab[:, :, 0] += column
            slab[:, :, 1] -= depth / 2 + 0.5
            slabs.append(slab)
    if not slabs:
        return quads(np.zeros((0, 4, 3)), rectangle_uv(), (1.0, 1.0, 1.0), 0)
    return quads(np.concatenate(slabs), rectangle_uv(), np.full(3, rng.uniform(0.25, 1.0)), 0)


def _bay_window(
    rng: np.random.Generator, width: float, depth: float, top: float, layer: int, tint: FloatArray
) -> Quads:
    size = min(3.0, width / 3)
    bay = box(size, 1.2, 0.0, top * rng.uniform(0.4, 0.95))
    bay[:, :, 0] += rng.uniform(-0.5, 0.5) * (width - size)
    bay[:, :, 1] -= depth / 2 + 0.5
    return quads(bay, rectangle_uv(0.25, top / 12), tint * rng.uniform(0.85, 1.1), layer)
