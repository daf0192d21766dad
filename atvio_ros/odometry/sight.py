"""What is kept of a camera's images, so that an estimator can look at them later.

`ScaledImages` is the paper's: the whole image at the size that the network takes. `Sight` is for calibrated cameras:
the image without its lens, of which views in any direction can be drawn (view/stored.py).
"""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np

from atvio_ros.errors import ImageError
from atvio_ros.odometry.input_checks import is_blank
from atvio_ros.preprocessing import scale_image
from atvio_ros.rig.rig import Rig
from atvio_ros.types import CameraFrame, FloatArray, ImageArray
from atvio_ros.view.level import nominal_level
from atvio_ros.view.stored import StoredView
from atvio_ros.view.virtual_camera import KITTI_VIEW, VirtualCamera

ASPECT_TOLERANCE = 0.01


class ImageIntake(Protocol):
    """Makes the frames that the odometry keeps of the images that arrive."""

    def frame(self, stamp_ns: int, image: ImageArray, received_ns: int = 0) -> CameraFrame:
        """Frame of an image (H, W) or (H, W, C). Raises an AtvioError on an image that cannot be taken."""


class ScaledImages:
    """The whole image, scaled by area to one size; the aspect ratio is not kept (ATVIO section 3.1)."""

    def __init__(self, height_px: int, width_px: int) -> None:
        self._size = height_px, width_px

    def frame(self, stamp_ns: int, image: ImageArray, received_ns: int = 0) -> CameraFrame:
        """See ImageIntake."""
        return CameraFrame(stamp_ns, scale_image(image, *self._size), received_ns)


class Sight:
    """Grey images of one calibrated camera on one robot, kept in level axes and without the lens.

    `view` is the widest view that will be drawn. Raises CalibrationError where the rig lacks the camera or its height.
    """

    def __init__(self, rig: Rig, view: VirtualCamera = KITTI_VIEW) -> None:
        self.rig = rig
        self.camera_height = rig.needed_height
        self.R_camera_stored: FloatArray = nominal_level(rig)
        self._virtual = view
        self._camera = rig.needed_camera
        self._size: tuple[int, int] | None = None  # of the first image: height, width
        self._stored: StoredView | None = None

    @property
    def stored(self) -> StoredView:
        """Draws views of stored images. There is none before the first image."""
        if self._stored is None:
            raise ImageError('No image has come yet, so there is nothing to look at. Give one first.')
        return self._stored

    def frame(self, stamp_ns: int, image: ImageArray, received_ns: int = 0) -> CameraFrame:
        """See ImageIntake. Raises CalibrationError on images of another aspect ratio than calibrated."""
        grey = _grey(image)
        if self._size is None:
            height, width = grey.shape
            self._stored = StoredView(self._camera.scaled(width, height), self.R_camera_stored, self._virtual)
            self._size = height, width
        elif grey.shape != self._size:
            grey = self._as_first(grey, self._size)
        return CameraFrame(stamp_ns, self.stored.store(grey), received_ns, is_blank(grey[:, :, None]))

    @staticmethod
    def _as_first(grey: ImageArray, size: tuple[int, int]) -> ImageArray:
        height, width = size
        if abs(grey.shape[1] / grey.shape[0] / (width / height) - 1.0) > ASPECT_TOLERANCE:
            raise ImageError(
                f'An image of {grey.shape[1]}x{grey.shape[0]} pixels came after images of {width}x{height}, of another '
                'aspect ratio. Set the camera to one size, and restart the odometry for another.'
            )
        return np.asarray(cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _grey(image: ImageArray) -> ImageArray:
    """(H, W) of an image (H, W), (H, W, 1) or (H, W, 3)."""
    if image.ndim == 2:
        return image
    if image.shape[2] == 1:
        return image[:, :, 0]
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
