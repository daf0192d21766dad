"""The ground as a ribbon along the road: asphalt, kerbs, sidewalks, verges and the land beyond."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from atvio_ros.rendering.mesh import VERTEX, Batch, Light, Quads, shade
from atvio_ros.rendering.road import CHUNK_M, Road
from atvio_ros.rendering.textures import Textures
from atvio_ros.types import FloatArray

# The strips between these lines on one side, from the car's line outwards; materials of the strips between them.
STRIPS = ('asphalt', 'asphalt', 'kerb', 'sidewalk', 'verge', 'land', 'land', 'land')
FAR_M = (26.0, 60.0, 140.0)
TILE_M = {'asphalt': 6.0, 'kerb': 2.0, 'sidewalk': 3.0, 'verge': 4.0, 'land': 5.0}
SHADOW_WINDOW_M = 250  # roads that far along the way belong to the same view


@dataclass(frozen=True)
class Ground:
    """Cross-section of the land at each metre of road, on both sides (0 left, 1 right)."""

    road: Road
    lines: FloatArray  # (S, 2, 9) distance [m] of the lines between strips
    heights: FloatArray  # (S, 2, 9) height [m] above the road's middle
    side_street: NDArray[np.bool_]  # (S, 2) asphalt all the way out

    def height(self, way_m: FloatArray, left_m: FloatArray) -> FloatArray:
        """World z (N,) of the ground at `left_m` left of the road, `way_m` along it."""
        sample = np.clip(np.round(way_m).astype(int), 0, len(self.road.centre) - 1)
        side = (left_m < 0).astype(int)
        lines, heights = self.lines[sample, side], self.heights[sample, side]
        distance = np.abs(left_m)
        cell = np.clip((lines <= distance[:, None]).sum(axis=1) - 1, 0, lines.shape[1] - 2)
        row = np.arange(len(cell))
        inner, outer = lines[row, cell], lines[row, cell + 1]
        share = np.clip((distance - inner) / np.maximum(outer - inner, 1e-6), 0.0, 1.0)
        above = heights[row, cell] * (1 - share) + heights[row, cell + 1] * share
        return np.asarray(self.road.centre[sample, 2] + above)


def make_ground(
    road: Road,
    sidewalk_m: FloatArray,
    kerb_m: FloatArray,
    relief_m: FloatArray,
    side_street: NDArray[np.bool_],
    rng: np.random.Generator,
) -> Ground:
    """Lay out the cross-sections: sidewalks (S, 2) wide, kerbs and relief (S,) high."""
    samples = len(road.centre)
    lines = np.zeros((samples, 2, len(STRIPS) + 1))
    paved = np.stack((road.paved_left, road.paved_right), axis=1)
    lines[..., 1] = paved * 0.5
    lines[..., 2] = paved
    lines[..., 3] = paved + 0.15
    lines[..., 4] = lines[..., 3] + sidewalk_m
    lines[..., 5] = lines[..., 4] + 3.0
    lines[..., 6:] = FAR_M
    lines[..., 6] = np.maximum(lines[..., 6], lines[..., 5] + 2.0)
    signed = lines * np.array((1.0, -1.0))[None, :, None]
    heights = np.zeros(lines.shape)
    kerb = np.where(side_street, 0.0, kerb_m[:, None])
    heights[..., 3:] += kerb[..., None]
    heights[..., 4:] += np.where(kerb[..., None] > 0, 0.02, -0.08)
    world = road.centre[:, None, None, :2] + signed[..., None] * road.left_axis[:, None, None]
    relief = _hills(world, rng) * relief_m[:, None, None]
    lift = np.clip((lines - lines[..., 4:5]) / 40.0, 0.0, 2.0)
    heights += relief * lift
    # Where another part of the same view's road is nearer, this ribbon dives below that one.
    heights -= np.clip(0.35 * (lines - _nearest_in_view(road, world)), 0.0, 8.0)
    return Ground(road, lines, heights, side_street)


def ground_batch(
    ground: Ground, textures: Textures, zone_grounds: dict[str, FloatArray], light: Light, rng: np.random.Generator
) -> Batch:
    """The ribbon as quadrilaterals. `zone_grounds` gives each strip's layer and tint: (S, 2, 4) layer, r, g, b."""
    road = ground.road
    parts: list[Quads] = []
    chunks: list[int] = []
    sign = np.array((1.0, -1.0))
    signed = ground.lines * sign[None, :, None]
    xy = road.centre[:, None, None, :2] + signed[..., None] * road.left_axis[:, None, None]
    points = np.concatenate((xy, road.centre[:, None, None, 2:] + ground.heights[..., None]), axis=-1)
    bends = np.abs(road.curvature) > 0.02
    for chunk in range(road.chunks - 1):
        first = chunk * CHUNK_M
        fine = bends[first : first + CHUNK_M].any()
        rows = np.arange(first, first + CHUNK_M + 1, 1 if fine else 4)
        rows = np.unique(np.concatenate((rows, _changes(ground.side_street, first))))
        near, far = rows[:-1], rows[1:]
        for strip, material in enumerate(STRIPS):
            for side in (0, 1):
                part = np.zeros((len(near), 4), VERTEX)
                inner, outer = strip, strip + 1
                for corner, (row, line) in enumerate(((near, inner), (far, inner), (far, outer), (near, outer))):
                    part['position'][:, corner] = points[row, side, line]
                    part['road'][:, corner, 0] = row
                    part['road'][:, corner, 1] = signed[row, side, line]
                part['uv'] = part['position'][..., :2] / TILE_M[material]
                look = zone_grounds[material][near, side]
                paved = ground.side_street[near, side] & (ground.side_street[far, side])
                look = np.where(paved[:, None], zone_grounds['asphalt'][near, side], look)
                part['uv'][paved] = part['position'][paved][..., :2] / TILE_M['asphalt']
                part['layer'][..., 0] = look[:, None, 0]
                part['layer'][..., 1] = textures.layers['patches'][chunk // 40 % len(textures.layers['patches'])]
                part['colour'][..., :3] = np.clip(look[:, None, 1:] * 255, 0, 255)
                if side == 1:
                    part = part[:, ::-1]
                parts.append(part)
                chunks.append(chunk)
    batch = Batch.of(parts, chunks, road.chunks)
    shade(batch.vertices, light)
    return batch


def _changes(side_street: NDArray[np.bool_], first: int) -> NDArray[np.int64]:
    """Rows at which a side street begins or ends: they must be rows of the mesh."""
    piece = side_street[first : first + CHUNK_M + 1].astype(int)
    ends = np.nonzero(np.diff(piece, axis=0).any(axis=1))[0]
    return np.concatenate((first + ends, first + ends + 1))


def _hills(world: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Relief of unit size at points (..., 2): the same wherever a point is seen from."""
    total = np.zeros(world.shape[:-1])
    for wavelength in (47.0, 83.0, 140.0, 260.0):
        angle, phase = rng.uniform(0.0, 2 * np.pi, 2)
        wave = np.array((np.cos(angle), np.sin(angle))) * 2 * np.pi / wavelength
        total += np.sin(world @ wave + phase) * wavelength / 260.0
    return total


def _nearest_in_view(road: Road, world: FloatArray) -> FloatArray:
    """Distance (S, 2, L) of points to the nearest piece of road within the same view."""
    result = np.empty(world.shape[:-1])
    for first in range(0, len(world), CHUNK_M):
        last = first + CHUNK_M
        window = road.centre[max(0, first - SHADOW_WINDOW_M) : last + SHADOW_WINDOW_M, :2]
        result[first:last] = cKDTree(window).query(world[first:last])[0]
    return result
