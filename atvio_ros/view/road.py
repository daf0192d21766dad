"""The road seen from above, in units of the camera's height h: a plane 1 below the camera, drawn as a grid of cells.

Level axes: x right, y down, z along the direction of travel. Columns run along x, rows along z, far at the top.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from atvio_ros.errors import CalibrationError
from atvio_ros.rig.camera import CameraModel
from atvio_ros.types import FloatArray, ImageArray
from atvio_ros.view.redraw import MEAN_GREY

_MOST_CELLS = 1_000_000
_DENSEST = 2.0  # image pixels to one sample: more would shimmer


@dataclass(frozen=True)
class RoadView:
    """Which part of the road is drawn, in camera heights."""

    near: float = 3.6  # ahead of the camera: the lowest row
    far: float = 8.2
    half_width: float = 1.3
    cell: float = 0.02  # along the road
    cell_across: float = 0.05
    middle: float = 0.0  # to the right of the way straight ahead: the middle column

    def __post_init__(self) -> None:
        numbers = (self.near, self.far, self.half_width, self.cell, self.cell_across)
        if not np.isfinite((*numbers, self.middle)).all() or min(numbers) <= 0 or self.far - self.near < self.cell:
            raise CalibrationError(f'{self} is not possible: all must be over 0, and far beyond near.')
        if self.rows * self.columns > _MOST_CELLS:
            raise CalibrationError(
                f'{self} has {self.rows}x{self.columns} cells, more than a million. Take larger ones.'
            )

    @property
    def rows(self) -> int:
        """Cells along the road."""
        return round((self.far - self.near) / self.cell)

    @property
    def columns(self) -> int:
        """Cells across the road."""
        return max(1, round(2 * self.half_width / self.cell_across))

    @property
    def from_pixel(self) -> FloatArray:
        """M (3, 3): (column, row, 1) -> (X / h, 1, Z / h) in level axes."""
        return np.array(
            [
                [self.cell_across, 0.0, self.middle - (self.columns - 1) / 2 * self.cell_across],
                [0.0, 0.0, 1.0],
                [0.0, -self.cell, self.near + (self.rows - 1) * self.cell],
            ]
        )

    def homography(self, K: FloatArray, R_camera_level: FloatArray) -> FloatArray:
        """(3, 3): pixel of this view -> pixel of a pinhole image with K (3, 3). Invert it for the other way."""
        return np.asarray(K @ R_camera_level @ self.from_pixel)

    def points(self) -> FloatArray:
        """Centres of the cells (rows, columns, 3) in level axes, in camera heights."""
        u, v = np.meshgrid(np.arange(self.columns), np.arange(self.rows))
        return np.asarray(np.stack((u, v, np.ones(u.shape)), axis=-1) @ self.from_pixel.T)

    def mask(self, camera: CameraModel, R_camera_level: FloatArray) -> NDArray[np.bool_]:
        """Which cells (rows, columns) the camera sees, lens included."""
        return camera.inside(camera.project(self.points() @ R_camera_level.T))

    def draw(self, image: ImageArray, K: FloatArray, R_camera_level: FloatArray, grey: int = MEAN_GREY) -> ImageArray:
        """Bird's-eye view (rows, columns) or (rows, columns, C) of a pinhole image with K; grey where it sees nothing.

        A cell on which several pixels fall is their mean.
        """
        across = _samples(K[0, 0] * self.cell_across / self.near)
        along = _samples(K[1, 1] * self.cell / self.near**2)
        size = self.columns * across, self.rows * along
        finer = np.array(
            [[1 / across, 0, 0.5 / across - 0.5], [0, 1 / along, 0.5 / along - 0.5], [0, 0, 1.0]]
        )  # half-pixel rule
        channels = image.shape[2] if image.ndim == 3 else 1
        view = cv2.warpPerspective(
            image,
            self.homography(K, R_camera_level) @ finer,
            size,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(grey,) * max(3, channels),
        )
        if across * along > 1:
            view = cv2.resize(view, (self.columns, self.rows), interpolation=cv2.INTER_AREA)
        return np.asarray(view, dtype=np.uint8)


def nearest_road(
    camera: CameraModel, R_camera_level: FloatArray, half_strip: float = 0.3, farthest: float = 30.0
) -> float:
    """How far ahead, in camera heights, the road comes into view over a strip of +-half_strip; inf: never."""
    Z = np.geomspace(0.2, farthest, 600)
    X = np.array([-half_strip, 0.0, half_strip])
    points = np.stack(np.broadcast_arrays(X[None, :], 1.0, Z[:, None]), axis=-1)  # (600, 3, 3)
    seen = camera.inside(camera.project(points @ R_camera_level.T)).all(axis=1)
    return float(Z[seen.argmax()]) if seen.any() else float('inf')


def _samples(pixels: float) -> int:
    return max(1, int(np.ceil(pixels / _DENSEST - 1e-6)))
