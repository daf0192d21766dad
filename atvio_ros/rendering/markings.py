"""Paint on the road: lines along it, and crosswalks."""

from __future__ import annotations

import numpy as np

from atvio_ros.rendering.conditions import Conditions
from atvio_ros.rendering.ground import Ground
from atvio_ros.rendering.mesh import Light, Quads, quads, rectangle_uv
from atvio_ros.rendering.road import CHUNK_M, Road
from atvio_ros.rendering.textures import Textures
from atvio_ros.rendering.zones import MOTORWAY
from atvio_ros.types import FloatArray

ABOVE_M = 0.012  # the asphalt
CROSSWALK_M, STRIPE_M, GAP_M = 4.0, 0.5, 0.5  # length of a crosswalk's stripes, along the road, and their widths


def paint_markings(
    road: Road, ground: Ground, textures: Textures, light: Light, rng: np.random.Generator, conditions: Conditions
) -> tuple[list[Quads], list[int]]:
    """Painted stripes a hair above the asphalt, and the chunk of road that each belongs to."""
    parts: list[Quads] = []
    chunks: list[int] = []
    flat = light.sun * max(light.direction[2], 0.0) + light.sky

    def paint(ways: FloatArray, offset: float, width: float, tint: FloatArray) -> None:
        above = ABOVE_M if conditions.markings == 'ordinary' else 0.0  # there the renderer puts it in front
        parts.append(_stripe(road, ground, textures, ways, offset, width, tint, above))
        chunks.append(int(ways[0]) // CHUNK_M)

    start = 0
    while start < len(road.centre) - 20:
        end = min(len(road.centre) - 2, start + int(rng.uniform(150.0, 400.0)))
        if rng.random() < road.zone_at(start).markings:
            lines = _lines(road, start, rng)
            width = rng.uniform(0.1, 0.2)
            tint = np.clip(rng.uniform(0.6, 1.0) * flat * 0.5, 0.0, 1.0)
            if conditions.markings == 'lines':
                lines = [(offset, 1, 0) for offset, _, _ in lines]
            for offset, on, off in lines:
                for way in range(start, end, on + off):
                    paint(np.arange(way, min(way + on, end) + 1, dtype=np.float64), offset, width, tint)
        start = end
    if conditions.markings == 'crosswalks':
        at = float(rng.integers(5, 20))
        while at < len(road.centre) - 20:
            tint = np.clip(rng.uniform(0.7, 1.0) * flat * 0.5, 0.0, 1.0)
            left, right = road.drive_left[int(at)], road.drive_right[int(at)]
            for offset in np.arange(-right + STRIPE_M, left - STRIPE_M / 2, STRIPE_M + GAP_M):
                paint(np.arange(at, at + CROSSWALK_M + 1.0), float(offset), STRIPE_M, tint)
            at += float(rng.integers(20, 50))
    return parts, chunks


def _lines(road: Road, sample: int, rng: np.random.Generator) -> list[tuple[float, int, int]]:
    """Lines of one stretch: metres left of the way driven, metres of paint, metres of gap."""
    lane = float(road.drive_right[sample])
    dash, gap = ((6, 12), (3, 6), (4, 8), (1, 1))[rng.choice(4, p=(0.4, 0.35, 0.2, 0.05))]
    left = float(road.drive_left[sample])
    if road.zone[sample] == MOTORWAY:
        return [(1.85, 6, 12), (-1.85, 6, 12), (left - 0.3, 1, 0), (-lane + 2.3, 1, 0)]
    lines = [(lane, dash, gap) if rng.random() < 0.8 else (lane, 1, 0)]
    if rng.random() < 0.5:
        lines += [(-lane + 0.2, 1, 0), (left - 0.2, 1, 0)]
    return lines


def _stripe(
    road: Road,
    ground: Ground,
    textures: Textures,
    ways: FloatArray,
    offset: float,
    width: float,
    tint: FloatArray,
    above_m: float,
) -> Quads:
    """Paint `offset` metres left of the way driven, through `ways` (N,) [m] along it."""
    left = road.beside(ways, np.full(len(ways), offset + width / 2))
    right = road.beside(ways, np.full(len(ways), offset - width / 2))
    z = ground.height(ways, np.full(len(ways), offset)) + above_m
    corners = np.stack(
        (
            np.column_stack((right[:-1], z[:-1])),
            np.column_stack((right[1:], z[1:])),
            np.column_stack((left[1:], z[1:])),
            np.column_stack((left[:-1], z[:-1])),
        ),
        axis=1,
    )
    part = quads(corners, rectangle_uv(0.3, 1.0), tint, textures.layers['line'][0])
    part['road'][:, :, 0] = np.stack((ways[:-1], ways[1:], ways[1:], ways[:-1]), axis=1)
    part['road'][:, :, 1] = offset
    part['layer'][..., 1] = textures.layers['patches'][0]
    return part
