"""Geometry as textured quadrilaterals: the few shapes from which the world is built, and their lighting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atvio_ros.types import FloatArray

# One corner of a quadrilateral, as the GPU takes it. `road` is the way along and left of the road for the shadows.
VERTEX = np.dtype([('position', 'f4', 3), ('uv', 'f4', 2), ('road', 'f4', 2), ('colour', 'u1', 4), ('layer', 'u1', 4)])
Quads = NDArray[np.void]  # (Q, 4) VERTEX


def quads(
    corners: FloatArray, uv: FloatArray, colour: FloatArray | tuple[float, float, float], layer: int | FloatArray
) -> Quads:
    """Quadrilaterals from corners (Q, 4, 3) [m], texture coordinates (4, 2) or (Q, 4, 2), tints in [0, 1], layers."""
    result = np.zeros(corners.shape[:2], VERTEX)
    result['position'] = corners
    result['uv'] = uv
    result['colour'][..., :3] = np.clip(np.asarray(colour) * 255.0, 0.0, 255.0)
    result['layer'][..., 0] = layer
    return result


def rectangle_uv(width: float = 1.0, height: float = 1.0, u: float = 0.0, v: float = 0.0) -> FloatArray:
    """Texture coordinates (4, 2) of a rectangle's corners: bottom left, bottom right, top right, top left."""
    return np.array([(u, v), (u + width, v), (u + width, v + height), (u, v + height)])


def walls(outline: FloatArray, bottom: float, top: float | FloatArray) -> FloatArray:
    """Upright quadrilaterals (N, 4, 3) on each edge of a closed outline (N, 2), from `bottom` to `top` [m]."""
    following = np.roll(outline, -1, axis=0)
    n = len(outline)
    corners = np.empty((n, 4, 3))
    corners[:, 0, :2] = corners[:, 3, :2] = outline
    corners[:, 1, :2] = corners[:, 2, :2] = following
    corners[:, :2, 2] = bottom
    heights = np.broadcast_to(top, (n,))
    corners[:, 3, 2] = heights
    corners[:, 2, 2] = np.roll(heights, -1)
    return corners


def rectangle(width: float, depth: float) -> FloatArray:
    """Outline (4, 2) of a rectangle centred on the origin, anticlockwise: width along x, depth along y."""
    x, y = width / 2, depth / 2
    return np.array([(-x, -y), (x, -y), (x, y), (-x, y)])


def circle(radius: float, sides: int) -> FloatArray:
    """Outline (sides, 2) of a regular polygon, anticlockwise."""
    angle = np.arange(sides) * 2 * np.pi / sides
    return radius * np.stack((np.cos(angle), np.sin(angle)), axis=1)


def box(width: float, depth: float, bottom: float, top: float) -> FloatArray:
    """Faces (5, 4, 3) of a box centred on the origin: front (-y), right, back, left, top."""
    outline = rectangle(width, depth)
    lid = np.concatenate((outline, np.full((4, 1), top)), axis=1)
    return np.concatenate((walls(outline, bottom, top), lid[None]))


def place(parts: Quads, x: float, y: float, z: float, yaw: float) -> Quads:
    """The quadrilaterals turned by `yaw` [rad] about the vertical and moved to (x, y, z), in place."""
    position = parts['position']
    cosine, sine = np.cos(yaw), np.sin(yaw)
    px, py = position[..., 0].copy(), position[..., 1].copy()
    position[..., 0] = cosine * px - sine * py + x
    position[..., 1] = sine * px + cosine * py + y
    position[..., 2] += z
    return parts


@dataclass(frozen=True)
class Light:
    """The sun and the sky's light; brightnesses are factors on a material's own."""

    direction: FloatArray  # (3,) unit vector towards the sun, world axes
    sun: FloatArray  # (3,) RGB
    sky: FloatArray  # (3,) RGB
    through: float = 0.6  # share of the sun on a leaf's face that reaches its back


def shade(parts: Quads, light: Light, lit: float | FloatArray = 1.0, leaves: bool = False) -> Quads:
    """Multiply the tints by what the light gives each face, in place.

    `lit` is the share of sunlight that reaches each face; leaves let light through, so both their sides are lit.
    """
    p = parts['position']
    normal = np.cross(p[:, 2] - p[:, 0], p[:, 3] - p[:, 1])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    towards = normal @ light.direction
    sun = (np.maximum(towards, -light.through * towards) if leaves else np.maximum(towards, 0.0)) * lit
    sun += 0.25 * leaves
    sky = 0.72 + (0.0 if leaves else 0.28) * normal[:, 2]
    brightness = sun[:, None] * light.sun + sky[:, None] * light.sky
    tint = parts['colour'][..., :3] * (brightness[:, None, :] * 0.5)  # 0.5: the shader doubles, for headroom
    parts['colour'][..., :3] = np.clip(tint, 0.0, 255.0)
    return parts


@dataclass(frozen=True)
class Batch:
    """Quadrilaterals sorted by the chunk of road they belong to: one range is drawn per frame."""

    vertices: Quads  # (Q, 4)
    starts: NDArray[np.int64]  # (chunks + 1,) first quadrilateral of each chunk

    @staticmethod
    def of(parts: list[Quads], chunks: list[int], count: int) -> Batch:
        """Sort pieces, each wholly in one chunk, into a batch over `count` chunks."""
        if not parts:
            return Batch(np.zeros((0, 4), VERTEX), np.zeros(count + 1, np.int64))
        index = np.repeat(np.clip(chunks, 0, count - 1), [len(part) for part in parts])
        order = np.argsort(index, kind='stable')
        starts = np.searchsorted(index[order], np.arange(count + 1))
        return Batch(np.concatenate(parts)[order], starts)
