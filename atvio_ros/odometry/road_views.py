"""The two views of the road of a frame pair, as the network `road` takes them: drawn, band-passed, masked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from atvio_ros.network.road_config import BANDS, RoadConfig
from atvio_ros.odometry.road_estimator import FARTHEST_H, NEAREST_H, nearest_seen
from atvio_ros.odometry.sight import Sight
from atvio_ros.types import FloatArray, ImageArray
from atvio_ros.view.road import RoadView

Values = NDArray[np.float32]

MARGIN_H = 0.35  # of a shift that is only expected
_FINE, _COARSE = (0.8, 1.5), (6.0, 12.0)  # deviations in cells (across, along) of the band-pass
_EDGE = np.ones((7, 5), np.uint8)  # around what is not seen, where the band-pass shows its edge


@dataclass(frozen=True)
class DrawnPair:
    """Views (Z, X) of one pair, rows far to near."""

    older: Values  # band-passed grey levels, 0 where nothing is seen
    newer: Values
    seen: Values  # 1 where the newer view shows something


class RoadGrid(Protocol):
    """What the matcher wants to know of the views of a robot."""

    cell: float  # length of a cell [camera heights]
    depth: FloatArray  # (B,) middle of each band [camera heights]
    bands: Values  # (B, Z) 1 in the rows of a band


class RoadDrawer:
    """Draws views of the road on one robot. Where the road begins follows from what its stored images show."""

    def __init__(self, sight: Sight, config: RoadConfig) -> None:
        self._stored, self._R = sight.stored, sight.R_camera_stored
        near = float(np.clip(nearest_seen(self._stored.mask, self._stored.virtual), NEAREST_H, FARTHEST_H))
        self.cell = config.cell_length(near)  # camera heights
        half = 0.5 * config.columns * config.cell_across
        self.road = RoadView(near, near + config.rows * self.cell, half, self.cell, config.cell_across)
        self.depth: FloatArray = near * np.array([0.5 * (first + last) for first, last in BANDS])  # (B,)
        z = near + self.cell * (config.rows - 1 - np.arange(config.rows))
        inside = [(z >= first * near - 1e-9) & (z <= last * near) for first, last in BANDS]
        self.bands: Values = np.array(inside, dtype=np.float32)  # (B, Z)

    def draw(
        self, older: ImageArray, newer: ImageArray, R_older_newer: FloatArray, R_image_level: FloatArray
    ) -> DrawnPair:
        """Views of two stored images (H, W, 1) in the level axes of the newer one."""
        before = self._R @ R_older_newer @ R_image_level
        now = self._R @ R_image_level
        seen = self._seen(now)
        return DrawnPair(
            band_pass(self._view(older, before)) * self._seen(before), band_pass(self._view(newer, now)) * seen, seen
        )

    def _view(self, image: ImageArray, R_camera_level: FloatArray) -> ImageArray:
        return self._stored.road(image, self.road, R_camera_level)[:, :, 0]

    def _seen(self, R_camera_level: FloatArray) -> Values:
        seen = self._stored.road_seen(self.road, R_camera_level)
        if seen.all():
            return np.ones(seen.shape, np.float32)
        return cv2.erode(seen.astype(np.uint8), _EDGE, borderValue=1).astype(np.float32)


def band_pass(view: ImageArray) -> Values:
    """A view (Z, X) without what is finer or coarser than the texture of a road [grey levels]."""
    values = view.astype(np.float32)
    fine = cv2.GaussianBlur(values, (0, 0), _FINE[0], sigmaY=_FINE[1])
    return np.asarray(fine - cv2.GaussianBlur(values, (0, 0), _COARSE[0], sigmaY=_COARSE[1]), dtype=np.float32)
