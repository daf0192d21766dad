"""The ideal camera that a view is drawn for: no lens, axes and focal length as one likes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atvio_ros.errors import CalibrationError
from atvio_ros.image_size import check_image_size
from atvio_ros.rig.camera import CameraModel, scaled_matrix
from atvio_ros.types import FloatArray


@dataclass(frozen=True)
class VirtualCamera:
    """Size and intrinsics of a pinhole camera [px]; pixel centres have whole coordinates."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        numbers = (self.fx, self.fy, self.cx, self.cy)
        if self.width < 1 or self.height < 1 or not np.isfinite(numbers).all() or min(self.fx, self.fy) <= 0:
            raise CalibrationError(f'{self} is not possible: sizes and focal lengths must be over 0.')
        check_image_size(self.width, self.height, CalibrationError, 'a virtual camera', drawn=True)

    @property
    def K(self) -> FloatArray:  # noqa: N802 (the field's notation)
        """Intrinsic matrix (3, 3)."""
        return np.array([[self.fx, 0.0, self.cx], [0.0, self.fy, self.cy], [0.0, 0.0, 1.0]])

    @property
    def model(self) -> CameraModel:
        """The same as a calibrated camera."""
        return CameraModel(self.width, self.height, self.K, where='virtual camera')

    def resized(self, width: int, height: int) -> VirtualCamera:
        """The camera of its images scaled to another size, each axis by its own factor (half-pixel rule)."""
        K = scaled_matrix(self.K, width / self.width, height / self.height)
        return VirtualCamera(width, height, float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2]))

    def cropped(self, x: int, y: int, width: int, height: int) -> VirtualCamera:
        """The camera of a part of its images, whose left upper pixel is (x, y)."""
        return VirtualCamera(width, height, self.fx, self.fy, self.cx - x, self.cy - y)

    def rays(self) -> FloatArray:
        """Directions (height, width, 3) of all pixels in its axes, not of unit length: z is 1."""
        u, v = np.meshgrid(np.arange(self.width), np.arange(self.height))
        return np.stack(((u - self.cx) / self.fx, (v - self.cy) / self.fy, np.ones(u.shape)), axis=-1)


# What the shipped models were trained with: KITTI's rectified left camera, its images scaled to 416x128.
KITTI_VIEW = VirtualCamera(1241, 376, 718.856, 718.856, 607.1928, 185.2157).resized(416, 128)
