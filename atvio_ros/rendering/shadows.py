"""Shadows on and beside the road, painted once into a strip along it that the ground is multiplied with."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from atvio_ros.rendering.items import Item
from atvio_ros.rendering.mesh import Light
from atvio_ros.rendering.noise import speckle
from atvio_ros.rendering.road import Road
from atvio_ros.types import FloatArray, ImageArray

CELL_M = 0.25
COLUMNS = 128  # 16 m to both sides; column 0 is the rightmost
SHIFT = 4  # fractional bits of OpenCV's polygon corners


def paint_shadows(road: Road, items: Sequence[Item], light: Light, rng: np.random.Generator) -> ImageArray:
    """Light (rows of CELL_M along the road, COLUMNS) that reaches the ground: 255 in the sun, 0 in full shadow."""
    strip = np.full((int(len(road.centre) / CELL_M), COLUMNS), 255, np.uint8)
    dapples = [((speckle(rng, 5) + speckle(rng, 13)) * 0.7)[:128, :128] for _ in range(3)]
    for item in items:
        sample = int(np.clip(item.way_m, 0, len(road.centre) - 1))
        left = road.left_axis[sample]
        forward = np.array((left[1], -left[0]))
        reach = np.array((light.direction[:2] @ forward, light.direction[:2] @ left)) / max(light.direction[2], 0.2)
        middle = np.array((item.way_m, item.left_m))
        if item.kind in ('tree', 'conifer', 'bush'):
            size = item.options.get('spread', item.along_m)
            top = item.height_m * (0.65 if item.kind == 'tree' else 0.4)
            _dapple(strip, middle - reach * top, size, dapples[item.seed % 3], item.seed)
            if item.kind == 'tree':
                _polygon(strip, middle + np.stack(((0.0, 0.15), (0.0, -0.15), -reach * top)), 40)
        elif item.kind in ('house', 'shed', 'hedge', 'wall', 'car', 'lamp', 'post', 'sign', 'billboard', 'box'):
            outline = _outline(item)
            height = min(item.height_m, 14.0)
            _polygon(strip, np.concatenate((outline, outline - reach * height)), 0)
            if item.kind == 'car':
                _polygon(strip, outline, 0)
    return np.asarray(cv2.GaussianBlur(strip, (3, 3), 0.7), np.uint8)


def light_at(strip: ImageArray, way_m: float, left_m: float) -> float:
    """Share of the sun, 0 to 1, that reaches the ground at a place; 1 beyond the strip."""
    row, column = int(way_m / CELL_M), int(left_m / CELL_M + COLUMNS / 2)
    if 0 <= row < len(strip) and 0 <= column < COLUMNS:
        return float(strip[row, column]) / 255.0
    return 1.0


def _outline(item: Item) -> FloatArray:
    corners = np.array(((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))) * (item.along_m, item.across_m)
    cosine, sine = np.cos(item.turn), np.sin(item.turn)
    return np.asarray(corners @ np.array(((cosine, sine), (-sine, cosine))) + (item.way_m, item.left_m))


def _polygon(strip: ImageArray, points: FloatArray, value: int) -> None:
    """Fill the convex hull of points (N, 2) (way, left) [m]."""
    first = max(0, int(points[:, 0].min() / CELL_M) - 2)
    window = strip[first : int(points[:, 0].max() / CELL_M) + 3]
    if window.size == 0:
        return
    pixels = np.stack((points[:, 1] / CELL_M + COLUMNS / 2, points[:, 0] / CELL_M - first), axis=1)
    hull = cv2.convexHull((pixels * (1 << SHIFT)).astype(np.int32))
    cv2.fillConvexPoly(window, hull, value, cv2.LINE_AA, SHIFT)


def _dapple(strip: ImageArray, middle: FloatArray, size_m: float, pattern: FloatArray, seed: int) -> None:
    """Multiply a leafy round shadow of diameter `size_m` into the strip."""
    half = int(np.clip(size_m / CELL_M / 2, 2, 60))
    row, column = int(middle[0] / CELL_M), int(middle[1] / CELL_M + COLUMNS / 2)
    top, bottom = max(0, row - half), min(len(strip), row + half)
    left, right = max(0, column - half), min(COLUMNS, column + half)
    if top >= bottom or left >= right:
        return
    y, x = np.ogrid[top - row : bottom - row, left - column : right - column]
    noise = np.roll(pattern, seed % 128, axis=0)[: bottom - top, : right - left]
    cover = np.clip((1.1 - (x * x + y * y) / half**2 + 0.55 * noise) * 2.5, 0.0, 1.0)
    patch = strip[top:bottom, left:right]
    patch[:] = (patch * (1.0 - 0.92 * cover)).astype(np.uint8)
