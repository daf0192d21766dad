"""The pictures of `atvio run --debug-images`: what the odometry saw of each image, as the node's ~/debug_image."""

from __future__ import annotations

from pathlib import Path

import cv2

from atvio_ros.errors import FileError
from atvio_ros.files import reporting
from atvio_ros.odometry.debug_image import draw_debug
from atvio_ros.odometry.sight import Sight
from atvio_ros.types import FramePair, OdometryEstimate


class DebugImages:
    """Writes 000000.jpg, 000001.jpg, ... into a folder, which is made. Raises FileError where it cannot be written."""

    def __init__(self, folder: Path, estimator: str) -> None:
        self._folder = folder
        self._estimator = estimator
        self._count = 0
        with reporting(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def write(self, pair: FramePair, estimate: OdometryEstimate, sight: Sight | None) -> None:
        """The picture of one estimate. Raises FileError."""
        state = 'stationary' if estimate.stationary else 'degraded' if estimate.warnings else 'tracking'
        path = self._folder / f'{self._count:06d}.jpg'
        if not cv2.imwrite(str(path), draw_debug(pair, estimate, sight, state, self._estimator)):
            raise FileError(
                f'{path} cannot be written. Is there room on the disk? Make some, or choose another folder.'
            )
        self._count += 1
